package process

import (
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/specs"
)

// Reasons why an instance that is desired does not run, beside those of specs.
const (
	waitShutdown  = "Shutdown"
	waitReplacing = "Replacing"
)

// quickRun is how long a run must have lasted for its first restart to be at once.
const quickRun = time.Second

// ended decides about a desired instance that does not run: start it, or say why not.
func (d *decider) ended(in *instance) specs.StateWaiting {
	if d.Down {
		return waiting(waitShutdown, "the operator stops everything")
	}
	if d.suspended {
		return waiting(specs.ReasonSuspended, d.suspendReason())
	}
	if !d.again(in) {
		return specs.StateWaiting{} // Terminated says it all
	}
	if d.Template == nil {
		if w := d.holdBack(in); w.Reason != "" {
			return w
		}
	}
	w, due := d.backOff(in)
	if due {
		a := d.start(in)
		w = waiting(specs.ReasonStarting, "")
		if d.Template != nil {
			a.Verb, a.Fault = verbRefuse, *d.Template
			w = waiting(d.Template.Reason, d.Template.Message)
		}
		d.act(a)
	}
	if d.Template != nil && d.oldLive > 0 {
		w.Message += "; the old copy is kept"
	}
	return w
}

func waiting(reason, message string) specs.StateWaiting {
	return specs.StateWaiting{Reason: reason, Message: message}
}

// again tells whether an instance is to run (again), as the restart policy has it.
func (d *decider) again(in *instance) bool {
	if in.Run == nil || in.Failure != nil || d.asked(in) || d.restartAsked(in) {
		return true
	}
	switch d.Process.Spec.RestartPolicy {
	case specs.RestartNever:
		return false
	case specs.RestartOnFailure:
		return !succeeded(in.Run)
	}
	return true
}

// asked tells whether the run ended because it was stopped for a reason that is not its own failure.
func (d *decider) asked(in *instance) bool {
	return in.Stop != nil && !in.Stop.failed()
}

// failed tells whether the stop is the run's own failure.
func (s *stop) failed() bool { return s.Reason == stopLiveness || s.Reason == stopStartup }

// inPlace tells whether the stop was for a restart in place, which waits for nothing.
func (s *stop) inPlace() bool {
	switch s.Reason {
	case stopRestart, stopConfig, stopExecutable, stopLiveness, stopStartup:
		return true
	}
	return false
}

func succeeded(r *run) bool {
	return r.Exit.Known && r.Exit.Code == 0 && r.Exit.Signal == 0
}

// holdBack says what a start waits for beside time: old runs, and for a first start what it depends on.
func (d *decider) holdBack(in *instance) specs.StateWaiting {
	if d.roll.under {
		if w := d.holdTurn(in); w.Reason != "" || in.Run == nil {
			return w
		}
	} else if d.oldLive > 0 && !d.rolls() {
		if unmet := d.unmet(); len(unmet) > 0 {
			return d.waitingFor(in, unmet)
		}
		return waiting(waitReplacing, "waits for the old copy to end")
	}
	if in.Run != nil && !in.Run.Exit.Rebooted && (in.Stop == nil || in.Stop.inPlace()) {
		return specs.StateWaiting{} // a crash restart
	}
	if unmet := d.unmet(); len(unmet) > 0 {
		return d.waitingFor(in, unmet)
	}
	return specs.StateWaiting{}
}

// unmet lists the dependencies that are not as far as they should be.
func (d *decider) unmet() []dependency {
	var out []dependency
	for _, dep := range d.Dependencies {
		if !dep.Met {
			out = append(out, dep)
		}
	}
	return out
}

// waitingFor says which dependencies a start waits for. While this operator has only to look at them itself, what was said before holds:
// nothing has happened.
func (d *decider) waitingFor(in *instance, unmet []dependency) specs.StateWaiting {
	unlooked := !slices.ContainsFunc(unmet, func(dep dependency) bool { return !dep.Unlooked })
	if unlooked && in.Status != nil && in.Status.State.Waiting != nil {
		return *in.Status.State.Waiting
	}
	reason, texts := specs.ReasonWaitingForDependency, make([]string, len(unmet))
	for i, dep := range unmet {
		texts[i] = dep.Name + " to be " + string(dep.Condition)
		if !dep.Found {
			reason, texts[i] = specs.ReasonRefsNotFound, texts[i]+" (no such "+dep.kind()+")"
		}
	}
	return waiting(reason, "waits for "+strings.Join(texts, " and "))
}

// start is the action that starts the instance, now or when its time comes.
func (d *decider) start(in *instance) action {
	a := action{Verb: verbStart, ID: in.ID, Ordinal: in.Ordinal, Attempt: 1}
	r := in.Run
	if r == nil {
		return a
	}
	a.Attempt, a.Again = r.Attempt+1, !r.Exit.Rebooted && (in.Stop == nil || in.Stop.inPlace())
	a.Restarts, a.Streak, a.Message = r.Note.Restarts+1, nextStreak(r, d.resetAfter()), exitText(r.Exit)
	switch {
	case r.Exit.Rebooted:
		a.Restarts, a.Streak, a.Message = r.Note.Restarts, 0, "the host was started again"
	case d.asked(in):
		a.Streak, a.Message = 0, string(in.Stop.Reason)
	case d.fresh(in):
		a.Streak, a.Message = 0, string(stopRestart)
	}
	return a
}

// fresh tells whether an ended run is a new beginning: restarts asked for and what it reads having changed forget its failures.
func (d *decider) fresh(in *instance) bool {
	changed := in.Config == specs.ConfigChangeRestart || in.Config == specs.ConfigChangeReload || in.ExecutableChanged
	return in.Run.Exit.Rebooted || changed || d.asked(in) || d.restartAsked(in)
}

// restartAsked tells whether a restart was asked for since the run began. The request that was in force at the start is noted with the
// run, so that one without fractions of a second neither misses a young run nor restarts it twice.
func (d *decider) restartAsked(in *instance) bool {
	want := d.Process.Annotations[specs.AnnotationRestartedAt]
	if want == "" || in.Run == nil || in.Run.Note.Restart == want {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, want)
	return err == nil && !at.Before(in.Run.StartedAt.Truncate(time.Second))
}
