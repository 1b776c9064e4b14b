package process

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/specs"
)

// confined is a sandbox for one start, and what of its level is open on this host; both are empty without one.
type confined struct {
	sandbox  *runner.Sandbox
	degraded string
}

// confine writes down the sandbox of an instance that is about to start, whose log has this path.
func (v *resolver) confine(s subject, res *resolved, log string) (confined, *fault) {
	b := s.process.Spec.Sandbox
	if b == nil || b.Level == specs.SandboxNone {
		return confined{}, nil
	}
	level, ok := sandbox.ParseLevel(string(b.Level))
	if !ok {
		return confined{}, unconfinable("", "this operator knows no level "+string(b.Level))
	}
	o := sandbox.Options{Level: level, Unconfined: b.Seccomp == specs.SeccompUnconfined, Root: isRoot(res)}
	for _, n := range b.ConnectTCP {
		o.ConnectTCP = append(o.ConnectTCP, int(n))
	}
	var gates []string
	if level >= sandbox.Isolated {
		gates, o.Listen = doorsOf(s.gate)
	}
	if b.Capabilities != nil {
		o.Keep = kept(b.Capabilities.Drop)
	}
	o.ReadOnly = append(o.ReadOnly, res.Path, res.Dir)
	for _, c := range s.process.Spec.ConfigFiles {
		if path := absolute(s.dir, c.Path); exists(path) {
			o.ReadOnly = append(o.ReadOnly, path)
		}
	}
	if s.gate != nil {
		if dir := filepath.Dir(s.gate.TokenFile(s.id)); exists(dir) {
			o.ReadOnly = append(o.ReadOnly, dir)
		}
	}
	for _, p := range b.ReadOnlyPaths {
		o.ReadOnly = append(o.ReadOnly, absolute(s.dir, p))
	}
	for _, p := range b.ReadWritePaths {
		o.ReadWrite = append(o.ReadWrite, absolute(s.dir, p))
	}
	if res.StateDirectory != "" && exists(res.StateDirectory) { // it is made by the start
		o.ReadWrite = append(o.ReadWrite, res.StateDirectory)
	}
	if log != "" {
		o.Append = append(o.Append, log)
	}
	plan, err := v.host.Compile(o)
	if err != nil {
		return confined{}, unconfinable(missingPath(o), err.Error())
	}
	if len(plan.Missing) > 0 && *b.Required {
		return confined{}, unconfinable("", "the level "+string(b.Level)+" cannot be had on this host: "+strings.Join(plan.Missing, "; ")+
			"; write required: false to run it with less")
	}
	box := &runner.Sandbox{Text: plan.Text, NewNet: plan.NewNet, NewUser: plan.NewUser}
	if len(gates) > 0 && plan.NewNet {
		box.Doors = func(files []*os.File) error {
			doors := map[string]*os.File{}
			for i, f := range files[:min(len(files), len(gates))] {
				doors[gates[i]] = f
			}
			return s.gate.Admit(s.id, doors)
		}
	}
	return confined{box, strings.Join(append(plan.Missing, plan.Weaker...), "; ")}, nil
}

// doorsOf are the gates that can listen within the network of an instance, by name, and their ports: at most as many as fit, and of two
// at one port the first.
func doorsOf(g Gate) (gates []string, ports []int) {
	if g == nil {
		return nil, nil
	}
	const most = 60
	all := g.Gates()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		u, err := url.Parse(all[name])
		if err != nil {
			continue
		}
		if port, err := strconv.Atoi(u.Port()); err == nil && !slices.Contains(ports, port) && len(ports) < most {
			gates, ports = append(gates, name), append(ports, port)
		}
	}
	return gates, ports
}

// unconfinable is a fault of the sandbox; path is the file that may mend it.
func unconfinable(path, message string) *fault {
	return &fault{Reason: specs.ReasonSandboxUnavailable, Message: "the sandbox: " + message, Early: true, Path: path}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// missingPath is the first path that is not there.
func missingPath(o sandbox.Options) string {
	for _, p := range append(o.ReadOnly, o.ReadWrite...) {
		if !exists(p) {
			return p
		}
	}
	return ""
}

// isRoot tells whether a program runs as root.
func isRoot(res *resolved) bool {
	if res.Credential != nil {
		return res.Credential.Uid == 0
	}
	return os.Geteuid() == 0
}

// kept are the capabilities that are not among those to drop, as bits.
func kept(drop []string) (mask uint64) {
	mask = 1<<len(specs.Capabilities) - 1
	for _, name := range drop {
		if name == "ALL" {
			return 0
		}
		for bit, known := range specs.Capabilities {
			if strings.TrimPrefix(name, "CAP_") == known {
				mask &^= 1 << bit
			}
		}
	}
	return mask
}
