package process

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// told is an event that follows from a change of status.
type told struct{ kind, reason, message string }

// transitions tells what happened to an instance between two of its statuses; the first may be nil.
func transitions(id string, old, now *specs.InstanceStatus) (out []told) {
	if old == nil {
		old = &specs.InstanceStatus{}
	}
	if end := now.LastExit(); end != nil && !sameEnd(end, old.LastExit()) {
		out = append(out, exitEvent(id, old, end))
	}
	if r := now.State.Running; r != nil && (now.PID != old.PID || old.State.Running == nil && old.State.Stopping == nil) {
		out = append(out, told{specs.EventNormal, specs.ReasonStarted, id + ": started, pid " + strconv.Itoa(int(now.PID))})
	}
	if s := now.State.Stopping; s != nil && old.State.Stopping == nil {
		out = append(out, told{specs.EventNormal, specs.ReasonKilling, id + ": stopping: " + s.Reason})
	}
	if w := now.State.Waiting; w != nil && (old.State.Waiting == nil || old.State.Waiting.Reason != w.Reason || old.State.Waiting.Message != w.Message) {
		switch w.Reason {
		case specs.ReasonStarting, waitReplacing, waitShutdown:
		case specs.ReasonSuspended, specs.ReasonWaitingForDependency:
			out = append(out, told{specs.EventNormal, w.Reason, id + ": " + w.Message})
		default:
			out = append(out, told{specs.EventWarning, w.Reason, id + ": " + w.Message})
		}
	}
	return append(out, healthEvents(id, old, now)...)
}

// healthEvents tells when a run becomes ready by its probes, and when it is no more.
func healthEvents(id string, old, now *specs.InstanceStatus) []told {
	if now.State.Running == nil || old.State.Running == nil || old.PID != now.PID || old.Ready == now.Ready {
		return nil
	}
	if now.Ready {
		return []told{{specs.EventNormal, specs.ReasonReady, id + ": ready"}}
	}
	for i := range now.Conditions {
		if c := &now.Conditions[i]; c.Type == specs.ConditionReady {
			return []told{{specs.EventWarning, "Unhealthy", id + ": " + c.Message}}
		}
	}
	return nil
}

func sameEnd(a, b *specs.StateTerminated) bool {
	return b != nil && a.StartedAt.Equal(&b.StartedAt) && a.FinishedAt.Equal(&b.FinishedAt) && a.ExitCode == b.ExitCode
}

func exitEvent(id string, old *specs.InstanceStatus, end *specs.StateTerminated) told {
	message := end.Message
	if message == "" {
		message = "exit " + strconv.Itoa(int(end.ExitCode))
	}
	kind := specs.EventWarning
	if end.Reason == specs.ReasonCompleted || old.State.Stopping != nil && end.Reason == specs.ReasonSignaled {
		kind = specs.EventNormal
	}
	return told{kind, specs.ReasonExited, id + ": " + message}
}

// tellStop tells of a stop that is a change somebody made, with the names of what changed.
func (m *memory) tellStop(a action) {
	switch a.Stop {
	case stopReplaced:
		m.tellLater(specs.EventNormal, specs.ReasonReplaced, a.ID+": "+a.Message)
	case stopRestart, stopConfig, stopExecutable:
		m.tellLater(specs.EventNormal, specs.ReasonRestarted, a.ID+": "+a.Message)
	case stopLiveness, stopStartup:
		m.tellLater(specs.EventWarning, string(a.Stop), a.ID+": "+a.Message)
	case stopScaledDown:
		m.tellLater(specs.EventNormal, specs.ReasonScaled, a.ID+": "+a.Message)
	}
}

// tellLater has something told when the status is written that says it, too.
func (m *memory) tellLater(kind, reason, message string) {
	m.untold = append(m.untold, told{kind, reason, message})
}

// tell tells what was done, now that the status has it.
func (r *Reconciler) tell(m *memory, o *observed) {
	for _, e := range m.untold {
		r.event(o, e.kind, e.reason, e.message)
	}
	m.untold = nil
}

// event tells something of the process, also when its object is gone.
func (r *Reconciler) event(o *observed, kind, reason, message string) {
	p := o.Process
	if p == nil {
		p = &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
		specs.Default(p)
	}
	r.events.Event(p, kind, reason, message)
}
