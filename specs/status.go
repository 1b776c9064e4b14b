package specs

import (
	"fmt"
	"strings"
	"time"
)

// Short is a revision in a word: the commit's first seven letters, with a + where files differ from it; else the digest's.
func (r *Revision) Short() string {
	switch {
	case r == nil:
		return ""
	case r.Commit == "":
		_, digest, named := strings.Cut(r.Digest, ":")
		if !named {
			digest = r.Digest
		}
		return prefix(digest, 7)
	case r.Dirty:
		return prefix(r.Commit, 7) + "+"
	}
	return prefix(r.Commit, 7)
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }

// DefaultProgressDeadline is how long a change of an object may take to get ready.
const DefaultProgressDeadline = 10 * time.Minute

// ProgressDeadline is how long a change of an object may take to get ready before it counts as failed.
func ProgressDeadline(o Object) time.Duration {
	if p, ok := o.(*Process); ok && p.Spec.ProgressDeadlineSeconds != nil {
		return time.Duration(*p.Spec.ProgressDeadlineSeconds) * time.Second
	}
	return DefaultProgressDeadline
}

// DesiredReplicas is how many instances are to run: none while it is suspended.
func (o *Process) DesiredReplicas() int32 {
	switch {
	case o.Spec.Suspend:
		return 0
	case o.Spec.Replicas == nil:
		return 1
	}
	return *o.Spec.Replicas
}

// Word says how an instance is, in a word.
func (s *InstanceStatus) Word() string {
	switch {
	case s.State.Stopping != nil:
		return ReasonStopping
	case s.State.Running != nil && !s.Started:
		return ReasonStarting
	case s.State.Running != nil:
		return ReasonRunning
	case s.State.Waiting != nil && s.State.Waiting.Reason != "":
		return s.State.Waiting.Reason
	case s.State.Waiting != nil:
		return "Waiting"
	case s.State.Terminated != nil:
		return s.State.Terminated.Reason
	}
	return ReasonUnknown
}

// LastExit is how the last run ended: of an instance that is over this run, else the one before; nil when none has ended.
func (s *InstanceStatus) LastExit() *StateTerminated {
	if s.State.Terminated != nil {
		return s.State.Terminated
	}
	return s.LastState.Terminated
}

// Short says how a run ended in a few words, such as "exit 1" or "SIGKILL (OOMKilled)".
func (t *StateTerminated) Short() string {
	if t == nil {
		return ""
	}
	var what string
	switch {
	case t.Signal != "":
		what = t.Signal
	case t.ExitCode < 0:
		return t.Reason
	default:
		what = fmt.Sprintf("exit %d", t.ExitCode)
	}
	switch t.Reason {
	case "", ReasonCompleted, ReasonError, ReasonSignaled:
		return what
	}
	return what + " (" + t.Reason + ")"
}
