package process

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"mirroros.dev/mirroros/controllers/process/probe"
	"mirroros.dev/mirroros/specs"
)

// checker makes a handler of a run into a function that runs it: ports as numbers, and a command with the program's user, environment and
// directory.
func (r *Reconciler) checker(m *memory, o *observed, im *instanceMemory, h *specs.Handler) checker {
	p, f := r.probe(o, m.key.dir, im, h)
	if f != nil {
		return func(context.Context, time.Duration) (verdict, string) { return verdictUnknown, f.Message }
	}
	hide := r.redactor(m, o, im)
	return func(ctx context.Context, timeout time.Duration) (verdict, string) {
		one := p
		one.Timeout = timeout
		res := one.Run(ctx)
		switch res.Status {
		case probe.Success:
			return verdictSuccess, ""
		case probe.Failure:
			return verdictFailure, firstLine(hide.text(res.Output))
		}
		return verdictUnknown, firstLine(hide.text(res.Output))
	}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return strings.ToValidUTF8(s[:min(len(s), 300)], "")
}

// probe resolves a handler.
func (r *Reconciler) probe(o *observed, dir string, im *instanceMemory, h *specs.Handler) (probe.Probe, *fault) {
	var ports []specs.InstancePort
	if im.run != nil {
		ports = im.run.Note.Ports
	}
	switch {
	case h.HTTPGet != nil:
		port, f := portOf(h.HTTPGet.Port, ports)
		return probe.Probe{HTTP: &probe.HTTP{TLS: strings.EqualFold(h.HTTPGet.Scheme, "HTTPS"), Host: h.HTTPGet.Host, Port: port,
			Path: h.HTTPGet.Path, Headers: headers(h.HTTPGet.HTTPHeaders)}}, f
	case h.TCPSocket != nil:
		port, f := portOf(h.TCPSocket.Port, ports)
		return probe.Probe{TCP: &probe.TCP{Host: h.TCPSocket.Host, Port: port}}, f
	case h.GRPC != nil:
		port, f := portOf(h.GRPC.Port, ports)
		return probe.Probe{GRPC: &probe.GRPC{Port: port, Service: h.GRPC.Service}}, f
	case h.Exec != nil:
		e, f := r.command(o, dir, im, h.Exec.Command)
		return probe.Probe{Exec: e}, f
	}
	return probe.Probe{}, cannot("", "the handler says nothing")
}

func headers(list []specs.HTTPHeader) [][2]string {
	out := make([][2]string, len(list))
	for i, h := range list {
		out[i] = [2]string{h.Name, h.Value}
	}
	return out
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// portOf is a port by name or number.
func portOf(p intstr.IntOrString, ports []specs.InstancePort) (int, *fault) {
	if p.Type == intstr.Int {
		return p.IntValue(), nil
	}
	for _, have := range ports {
		if have.Name == p.StrVal {
			return int(have.Port), nil
		}
	}
	return 0, cannot("", "no port %q", p.StrVal)
}

// command resolves a command that is to run beside a run: with what the run itself was given, as far as that is still known.
func (r *Reconciler) command(o *observed, dir string, im *instanceMemory, command []string) (*probe.Exec, *fault) {
	s := subject{process: o.Process, dir: dir, id: im.id, ordinal: im.ordinal}
	if im.run != nil {
		s.ports = im.run.Note.Ports
	}
	if s.process == nil {
		s.process, s.dir = im.remains(o.Name)
	}
	who, f := r.resolver.credential(s.process.Spec.User, s.process.Spec.Group)
	if f != nil {
		return nil, f
	}
	stateDirectory := ""
	if s.process.Spec.StateDirectory != "" {
		stateDirectory = r.resolver.stateDirectory(s.process.Spec.StateDirectory)
	}
	values, f := r.resolver.environment(s, who, stateDirectory)
	if f != nil {
		return nil, f
	}
	id := im.id
	e := &probe.Exec{Env: values.environ(), Credential: who.credential, Side: func() (probe.Side, error) { return r.runtime.Beside(id) }}
	if e.Dir, f = workingDir(s, values); f != nil {
		return nil, f
	}
	if e.Command, f = values.expandAll("command", command); f != nil {
		return nil, f
	}
	if e.Command[0], f = program(e.Command[0], s.dir, values); f != nil {
		return nil, &fault{Reason: f.Reason, Message: fmt.Sprintf("cannot run the command: %s", f.Message)}
	}
	return e, nil
}

// remains is what its note has of a process that is gone.
func (im *instanceMemory) remains(name string) (*specs.Process, string) {
	p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if im.run == nil {
		return p, "/"
	}
	n := &im.run.Note
	p.Spec = specs.ProcessSpec{User: n.User, Group: n.Group, Version: n.Version, StateDirectory: n.StateDirectory}
	return p, orElse(n.Dir, "/")
}
