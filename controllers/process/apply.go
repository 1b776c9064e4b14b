package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/specs"
)

// apply does what was decided, in its order, as far as it goes. What fails in a way that decide should know is remembered; an error is
// what trying again may mend.
func (r *Reconciler) apply(m *memory, o *observed, actions []action) error {
	var errs []error
	for _, a := range actions {
		if err := r.act(m, o, a); err != nil {
			errs = append(errs, fmt.Errorf("cannot %s instance %q: %w", lowerVerb(a.Verb), a.ID, err))
		}
	}
	return errors.Join(errs...)
}

func lowerVerb(v verb) string {
	switch v {
	case verbStop, verbPreStop:
		return "stop"
	case verbKill:
		return "kill"
	case verbForget:
		return "forget"
	case verbReload:
		return "reload"
	case verbLimit:
		return "limit"
	}
	return "start"
}

func (r *Reconciler) act(m *memory, o *observed, a action) error {
	im := m.find(a.ID)
	if im == nil && (a.Verb == verbStart || a.Verb == verbRefuse) {
		im = m.instance(a.ID, a.Ordinal, o.Hash)
	}
	if im == nil {
		return nil // it is gone already
	}
	switch a.Verb {
	case verbStart:
		r.start(m, o.of(m, im), im, a)
		return nil
	case verbRefuse:
		r.fail(m, o, im, a.Fault)
		return nil
	case verbPreStop:
		if im.stop == nil {
			r.announce(im.id)
		}
		m.beginStop(im, a, r.now())
		r.preStop(m, o, im)
		return nil
	case verbStop:
		return r.stop(m, o, im, a)
	case verbKill:
		return r.kill(m, o, im, a)
	case verbForget:
		return r.forgetRun(m, o, im)
	case verbReload:
		return r.reload(m, o, im, a.Message)
	case verbLimit:
		return r.limit(o, im, a)
	}
	return nil
}

// beginStop remembers a stop, and tells when it is a replacement or a restart.
func (m *memory) beginStop(im *instanceMemory, a action, now time.Time) {
	if im.stop == nil {
		im.stop = &stop{Since: now, SinceAt: now, Reason: a.Stop}
		m.tellStop(a)
	}
}

// announce has the runtime keep since when the grace period counts, as long as there is no signal.
func (r *Reconciler) announce(id string) {
	if err := ignoreEnded(r.runtime.Announce(id)); err != nil {
		r.o.Log.Error(err, "cannot note a stop; an operator that follows counts its grace period by the wall clock", "instance", id)
	}
}

// stop sends the stop signal; the runtime keeps the time of it.
func (r *Reconciler) stop(m *memory, o *observed, im *instanceMemory, a action) error {
	m.beginStop(im, a, r.now())
	s := *im.stop
	s.Signalled = true
	im.stop = &s
	return ignoreEnded(r.runtime.Stop(im.id, r.stopPlanOf(o, im).signal()))
}

func (r *Reconciler) stopPlanOf(o *observed, im *instanceMemory) stopPlan {
	d := decider{observed: o}
	return d.stopPlan(&instance{Run: im.run})
}

func (r *Reconciler) kill(m *memory, o *observed, im *instanceMemory, a action) error {
	s := *im.stop
	s.Killed = r.now()
	im.stop = &s
	m.tellLater(specs.EventWarning, specs.ReasonGraceExceeded, im.id+": "+a.Message+", the whole tree is killed")
	if im.run != nil && im.run.Exit == nil && !s.Signalled {
		// The runtime learns that the end was asked for, so that it is no crash after a restart of the operator.
		s.Signalled = true
		if err := ignoreEnded(r.runtime.Stop(im.id, r.stopPlanOf(o, im).signal())); err != nil {
			r.o.Log.Error(err, "cannot note a stop", "instance", im.id)
		}
	}
	return ignoreEnded(r.runtime.Kill(im.id))
}

// ignoreEnded takes that something has ended already for success: the next look sees it.
func ignoreEnded(err error) error {
	if errors.Is(err, runner.ErrEnded) || errors.Is(err, runner.ErrNotFound) {
		return nil
	}
	return err
}

// forgetRun gives up an instance that is no more wanted, and all but its last log.
func (r *Reconciler) forgetRun(m *memory, o *observed, im *instanceMemory) error {
	if im.attached {
		r.logs.Detach(im.id)
	}
	if err := ignoreEnded(r.runtime.Forget(im.id)); err != nil {
		return err
	}
	if im.run != nil {
		r.ports.release(im.id)
		if st := storedStatus(o, im.id); st == nil || im.ended == nil || !sameEnd(im.ended, st.LastExit()) { // else it was told
			m.tellLater(specs.EventNormal, specs.ReasonExited, im.id+": "+exitText(im.run.Exit))
		}
	}
	if im.read != nil {
		r.dropConfig(im.id)
	}
	r.prober.drop(im.id)
	im.run, im.stop, im.failure, im.read, im.attached = nil, nil, nil, nil, false // sweep drops it once its object is gone
	m.logs = append(without(m.logs, im.id), im.id)
	for keep := max(keptLogs, int(o.replicas())); len(m.logs) > keep; m.logs = m.logs[1:] {
		r.removeLog(m.logs[0])
	}
	return nil
}

func (r *Reconciler) removeLog(id string) {
	if err := r.logs.Remove(id); err != nil {
		r.o.Log.Error(err, "cannot remove a log", "instance", id)
	}
}

// without is a list without one entry.
func without(list []string, s string) []string {
	return slices.DeleteFunc(list, func(l string) bool { return l == s })
}

// keptLogs is how many logs of ended instances a process keeps at least.
const keptLogs = 2

// preStop has the gates drain the instance and runs the handler, beside and within the grace period, and then has the process looked at.
func (r *Reconciler) preStop(m *memory, o *observed, im *instanceMemory) {
	p := r.stopPlanOf(o, im)
	addresses := r.servedAt(o, im)
	var check checker
	if p.PreStop != nil {
		check = r.checker(m, o, im, p.PreStop)
	}
	s := *im.stop
	s.PreStop, s.Found = true, false
	im.stop = &s
	name, id, attempt, process := o.Name, im.id, im.run.Attempt, o.Process
	r.tasks.add(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, max(p.grace(), time.Millisecond))
		defer cancel()
		if len(addresses) > 0 {
			r.o.Gate.Drain(ctx, addresses)
		}
		if check != nil {
			if v, message := check(ctx, p.grace()); v != verdictSuccess && process != nil {
				r.events.Event(process, specs.EventWarning, specs.ReasonPreStopFailed, id+": "+message)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if im := m.find(id); im != nil && im.stop != nil && im.run != nil && im.run.Attempt == attempt {
			s := *im.stop
			s.PreStop = false
			im.stop = &s
		}
		r.ask(name, queue.Exit)
	})
}
