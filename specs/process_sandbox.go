package specs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (v *processValidator) sandbox() {
	b, at := v.s.Sandbox, v.spec.Child("sandbox")
	if b == nil {
		return
	}
	levels := []string{string(SandboxNone), string(SandboxRestricted), string(SandboxStrict), string(SandboxIsolated)}
	if v.required(at.Child("level"), string(b.Level), levels...); !slices.Contains(levels, string(b.Level)) {
		return
	}
	if b.Level == SandboxNone {
		v.nothingBlocked(at, b)
		return
	}
	v.sandboxPaths(at.Child("readOnlyPaths"), b.ReadOnlyPaths, "every file could be read: name what the program needs")
	v.sandboxPaths(at.Child("readWritePaths"), b.ReadWritePaths, "every file could be written: write level: None, or name what the program needs")
	v.sandboxNetwork(at, b)
	if b.Capabilities == nil {
		return
	}
	drop := at.Child("capabilities", "drop")
	if len(b.Capabilities.Drop) == 0 {
		v.add(field.Required(drop, "the capabilities to drop, or leave capabilities out: then all are"))
	}
	for i, name := range b.Capabilities.Drop {
		if known := strings.TrimPrefix(name, "CAP_"); name != "ALL" && !slices.Contains(Capabilities, known) {
			v.invalid(drop.Index(i), name, "no such capability%s", DidYouMean(strings.ToUpper(known), append([]string{"ALL"}, Capabilities...)))
		}
	}
}

// nothingBlocked refuses what has no meaning without a level.
func (v *processValidator) nothingBlocked(at *field.Path, b *ProcessSandbox) {
	for name, there := range map[string]bool{
		"readOnlyPaths": len(b.ReadOnlyPaths) > 0, "readWritePaths": len(b.ReadWritePaths) > 0, "connectTCP": len(b.ConnectTCP) > 0,
		"seccomp": b.Seccomp != "", "capabilities": b.Capabilities != nil, "required": b.Required != nil,
	} {
		if there {
			v.add(field.Forbidden(at.Child(name), "level None blocks nothing: write Restricted, Strict or Isolated"))
		}
	}
}

func (v *processValidator) sandboxPaths(at *field.Path, paths []string, all string) {
	seen := map[string]bool{}
	for i, p := range paths {
		switch {
		case p == "":
			v.add(field.Required(at.Index(i), "a path"))
		case strings.ContainsAny(p, "\n\x00"):
			v.invalid(at.Index(i), p, "must be one line")
		case path.Clean(p) == "/":
			v.invalid(at.Index(i), p, "%s", all)
		case seen[path.Clean(p)]:
			v.add(field.Duplicate(at.Index(i), p))
		}
		seen[path.Clean(p)] = true
	}
}

func (v *processValidator) sandboxNetwork(at *field.Path, b *ProcessSandbox) {
	strict, isolated := b.Level == SandboxStrict, b.Level == SandboxIsolated
	if isolated {
		v.isolated(at, b)
		return
	}
	if len(b.ConnectTCP) > 0 && !strict {
		v.add(field.Forbidden(at.Child("connectTCP"), fmt.Sprintf("level %s blocks no connections: write level: Strict", b.Level)))
		return
	}
	seen := map[int32]bool{}
	for i, n := range b.ConnectTCP {
		switch {
		case n < 1 || n > 65535:
			v.invalid(at.Child("connectTCP").Index(i), n, "must be from 1 to 65535")
		case seen[n]:
			v.add(field.Duplicate(at.Child("connectTCP").Index(i), n))
		}
		seen[n] = true
	}
	if b.Seccomp != "" && !strict {
		v.add(field.Forbidden(at.Child("seccomp"), fmt.Sprintf("level %s filters no system calls: write level: Strict", b.Level)))
	} else if strict {
		v.oneOf(at.Child("seccomp"), string(b.Seccomp), string(SeccompDefault), string(SeccompUnconfined))
	}
}

// isolated refuses what cannot be where nothing outside reaches the process and it reaches nothing but gates.
func (v *processValidator) isolated(at *field.Path, b *ProcessSandbox) {
	if len(b.ConnectTCP) > 0 {
		v.add(field.Forbidden(at.Child("connectTCP"), "level Isolated reaches gates alone, and those always: write level: Strict to connect to more"))
	}
	if b.Seccomp != "" && b.Seccomp != SeccompDefault {
		v.invalid(at.Child("seccomp"), string(b.Seccomp), "level Isolated needs the filter, which keeps unix sockets shut")
	}
	if len(v.s.Ports) > 0 {
		v.add(field.Forbidden(v.spec.Child("ports"), "nothing reaches a process at level Isolated: write level: Strict for one that serves"))
	}
	for _, p := range []struct {
		name  string
		probe *Probe
	}{{"startupProbe", v.s.StartupProbe}, {"readinessProbe", v.s.ReadinessProbe}, {"livenessProbe", v.s.LivenessProbe}} {
		if p.probe != nil && p.probe.Exec == nil {
			v.add(field.Forbidden(v.spec.Child(p.name), "nothing reaches a process at level Isolated: write exec"))
		}
	}
}

// Capabilities are the names of all, as capabilities(7) has them without CAP_, by their numbers.
var Capabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
	"PERFMON", "BPF", "CHECKPOINT_RESTORE",
}
