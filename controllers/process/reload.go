package process

import (
	"context"
	"fmt"
	"time"

	"mirroros.dev/mirroros/specs"
)

// reloadTimeout bounds a reload command.
const reloadTimeout = time.Minute

// reload tells a run to read its configuration again, because a file changed; what it then has read is what is there now.
func (r *Reconciler) reload(m *memory, o *observed, im *instanceMemory, why string) error {
	spec := &o.Process.Spec
	im.config = r.configDigests(spec, m.key.dir)
	r.keepConfig(im)
	id, process := im.id, o.Process
	if spec.Reload == nil {
		m.tellLater(specs.EventWarning, specs.ReasonReloadFailed, id+": "+why+", but spec.reload does not say how to tell the program")
		return nil
	}
	if spec.Reload.Exec == nil {
		if err := r.sendReload(spec, id); err != nil {
			return err
		}
		m.tellLater(specs.EventNormal, specs.ReasonReloaded, id+": "+why)
		return nil
	}
	check := r.checker(m, o, im, &specs.Handler{Exec: spec.Reload.Exec})
	r.tasks.add(func(ctx context.Context) {
		if v, message := check(ctx, reloadTimeout); v != verdictSuccess {
			r.events.Event(process, specs.EventWarning, specs.ReasonReloadFailed, id+": "+message)
			return
		}
		r.events.Event(process, specs.EventNormal, specs.ReasonReloaded, id+": "+why)
	})
	return nil
}

func (r *Reconciler) sendReload(spec *specs.ProcessSpec, id string) error {
	sig, ok := signalNumber(spec.Reload.Signal)
	if !ok {
		return fmt.Errorf("cannot reload %q: no signal %q", id, spec.Reload.Signal)
	}
	return ignoreEnded(r.runtime.Signal(id, sig))
}

// Reload tells every run of a process to read its configuration again, now, and answers when that is done.
func (r *Reconciler) Reload(ctx context.Context, name string) error {
	m := r.memory(name)
	m.mu.Lock()
	o, err := r.observe(look{view: r.view, m: m, name: name})
	var checks []checker
	if err == nil {
		checks, err = r.reloadNow(m, o)
	}
	m.mu.Unlock()
	if err != nil {
		return fmt.Errorf("cannot reload process %q: %w", name, err)
	}
	for _, check := range checks {
		if v, message := check(ctx, reloadTimeout); v != verdictSuccess {
			r.event(o, specs.EventWarning, specs.ReasonReloadFailed, message)
			return fmt.Errorf("cannot reload process %q: %s", name, message)
		}
	}
	r.event(o, specs.EventNormal, specs.ReasonReloaded, "somebody asked for it")
	return nil
}

// reloadNow sends the signal to every run, or answers the commands to execute.
func (r *Reconciler) reloadNow(m *memory, o *observed) (checks []checker, err error) {
	switch {
	case o.Process == nil:
		return nil, fmt.Errorf("no such process")
	case o.Process.Spec.Reload == nil:
		return nil, fmt.Errorf("spec.reload does not say how")
	}
	spec, runs := &o.Process.Spec, 0
	for _, im := range m.instances {
		if im.run == nil || im.run.Exit != nil || im.stop != nil {
			continue
		}
		runs++
		im.config = r.configDigests(spec, m.key.dir)
		r.keepConfig(im)
		if spec.Reload.Exec != nil {
			checks = append(checks, r.checker(m, o, im, &specs.Handler{Exec: spec.Reload.Exec}))
			continue
		}
		if err := r.sendReload(spec, im.id); err != nil {
			return nil, err
		}
	}
	if runs == 0 {
		return nil, fmt.Errorf("nothing of it runs")
	}
	return checks, nil
}
