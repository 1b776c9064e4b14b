package specs

import (
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (v *processValidator) probes() {
	for _, f := range []struct {
		name    string
		probe   *Probe
		success bool // may ask for more than one success
	}{{"startupProbe", v.s.StartupProbe, false}, {"readinessProbe", v.s.ReadinessProbe, true}, {"livenessProbe", v.s.LivenessProbe, false}} {
		if f.probe == nil {
			continue
		}
		at := v.spec.Child(f.name)
		v.handler(at, &f.probe.Handler)
		v.probeNumbers(at, f.probe)
		if f.probe.SuccessThreshold > 1 && !f.success {
			v.invalid(at.Child("successThreshold"), f.probe.SuccessThreshold, "must be 1 here")
		}
	}
}

func (v *processValidator) probeNumbers(at *field.Path, p *Probe) {
	for _, n := range []struct {
		name         string
		value, least int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds, 0}, {"periodSeconds", p.PeriodSeconds, 1}, {"timeoutSeconds", p.TimeoutSeconds, 1},
		{"successThreshold", p.SuccessThreshold, 1}, {"failureThreshold", p.FailureThreshold, 1},
	} {
		if n.value < n.least {
			v.invalid(at.Child(n.name), n.value, "must be at least %d", n.least)
		}
	}
}

// handler checks an action: there must be exactly one.
func (v *processValidator) handler(at *field.Path, h *Handler) {
	v.actions(at, "exactly one of httpGet, tcpSocket, exec and grpc", []action{
		{"httpGet", h.HTTPGet != nil, func(at *field.Path) {
			v.portRef(at.Child("port"), h.HTTPGet.Port)
			v.httpGet(at, h.HTTPGet)
		}},
		{"tcpSocket", h.TCPSocket != nil, func(at *field.Path) { v.portRef(at.Child("port"), h.TCPSocket.Port) }},
		{"exec", h.Exec != nil, func(at *field.Path) { v.commandLine(at.Child("command"), h.Exec.Command) }},
		{"grpc", h.GRPC != nil, func(at *field.Path) { v.portRef(at.Child("port"), h.GRPC.Port) }},
	})
}

// portRef checks the port of an action: the name of a declared one, or a number.
func (v *processValidator) portRef(at *field.Path, port intstr.IntOrString) {
	if v.portNumber(at, port, "the name of one of spec.ports, or a number") {
		return
	}
	var names []string
	for _, p := range v.s.Ports {
		if p.Name == port.StrVal {
			return
		}
		names = append(names, p.Name)
	}
	switch {
	case strings.Trim(port.StrVal, "0123456789") == "":
		v.invalid(at, port.StrVal, "no port has this name; write a number without quotes")
	case len(names) == 0:
		v.invalid(at, port.StrVal, "no port has this name: spec.ports is empty")
	default:
		v.invalid(at, port.StrVal, "no port has this name%s", DidYouMean(port.StrVal, names))
	}
}

// SignalNumber of a name such as SIGTERM or TERM.
func SignalNumber(name string) (syscall.Signal, bool) {
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	s := unix.SignalNum(name)
	return s, s != 0
}

func (v *processValidator) signal(at *field.Path, name string) {
	if _, ok := SignalNumber(name); ok {
		return
	}
	if _, ok := SignalNumber(strings.ToUpper(name)); ok {
		v.invalid(at, name, "no such signal, did you mean %q?", strings.ToUpper(name))
		return
	}
	v.invalid(at, name, "no such signal; write a name such as SIGTERM%s", DidYouMean(name, commonSignals))
}

var commonSignals = []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGWINCH"}

func (v *processValidator) stopping() {
	if n := *v.s.TerminationGracePeriodSeconds; n < 0 || n > MaxGracePeriodSeconds {
		v.invalid(v.spec.Child("terminationGracePeriodSeconds"), n, "must be from 0 to %d", MaxGracePeriodSeconds)
	}
	at := v.spec.Child("stopSignal")
	v.signal(at, v.s.StopSignal)
	switch s, _ := SignalNumber(v.s.StopSignal); s {
	case unix.SIGSTOP, unix.SIGTSTP, unix.SIGCONT, unix.SIGCHLD:
		v.invalid(at, v.s.StopSignal, "does not end a program")
	}
	if v.s.PreStop != nil {
		v.handler(v.spec.Child("preStop"), v.s.PreStop)
	}
	r, at := v.s.Reload, v.spec.Child("reload")
	switch {
	case r == nil:
	case (r.Signal == "") == (r.Exec == nil):
		v.add(field.Required(at, "exactly one of signal and exec"))
	case r.Exec != nil:
		v.commandLine(at.Child("exec", "command"), r.Exec.Command)
	default:
		v.signal(at.Child("signal"), r.Signal)
	}
}

func (v *processValidator) files() {
	if d := v.s.StateDirectory; d != "" && !isBelow(d) {
		v.invalid(v.spec.Child("stateDirectory"), d, "must be a relative path below the data directory, without ..")
	}
	v.text(v.spec.Child("stateDirectory"), v.s.StateDirectory)
	seen := map[string]bool{}
	for i, c := range v.s.ConfigFiles {
		at := v.spec.Child("configFiles").Index(i)
		switch {
		case c.Path == "":
			v.add(field.Required(at.Child("path"), ""))
		case seen[path.Clean(c.Path)]:
			v.add(field.Duplicate(at.Child("path"), c.Path))
		}
		seen[path.Clean(c.Path)] = true
		v.text(at.Child("path"), c.Path)
		v.oneOf(at.Child("onChange"), string(c.OnChange), string(ConfigChangeRestart), string(ConfigChangeReload), string(ConfigChangeIgnore))
		if c.OnChange == ConfigChangeReload && v.s.Reload == nil {
			v.invalid(at.Child("onChange"), string(c.OnChange), "needs spec.reload, which says how")
		}
	}
}

// isBelow tells whether a relative path names something below the directory it starts from.
func isBelow(p string) bool {
	c := path.Clean(p)
	return p != "" && !path.IsAbs(p) && c != "." && c != ".." && !strings.HasPrefix(c, "../") && !strings.Contains(p, "\\")
}
