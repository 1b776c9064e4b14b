package process

import (
	"strconv"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// verb is what an action does.
type verb string

// The verbs. Limit brings other limits in force in a live run. Refuse notes that a start was due but cannot be; Forget gives up what the runtime keeps of an ended run.
const (
	verbStart   verb = "Start"
	verbPreStop verb = "PreStop"
	verbStop    verb = "Stop"
	verbKill    verb = "Kill"
	verbForget  verb = "Forget"
	verbReload  verb = "Reload"
	verbLimit   verb = "Limit"
	verbRefuse  verb = "Refuse"
)

// action is one effect on the host.
type action struct {
	Verb    verb
	ID      string
	Ordinal int32
	// Attempt, Restarts and Streak of the run that a Start makes.
	Attempt  int
	Restarts int32
	Streak   int
	// Again: the Start follows a run that failed, or was ended to be started again.
	Again bool
	// Stop says why a PreStop, Stop or Kill; Fault why a Refuse.
	Stop  stopReason
	Fault fault
	// Message for events and plans.
	Message string
}

// stopReason is why a run is stopped, as status and events say it.
type stopReason string

// The reasons of a stop.
const (
	stopRemoved    stopReason = "Removed"
	stopReplaced   stopReason = "Replaced"
	stopScaledDown stopReason = "ScaledDown"
	stopSuspended  stopReason = "Suspended"
	stopShutdown   stopReason = "Shutdown"
	stopLiveness   stopReason = "LivenessFailed"
	stopStartup    stopReason = "StartupFailed"
	stopRestart    stopReason = "RestartRequested"
	stopConfig     stopReason = "ConfigChanged"
	stopExecutable stopReason = "ExecutableReplaced"
)

// decision is what to do and what to say.
type decision struct {
	Status    specs.ProcessStatus
	Instances []instanceDecision
	Actions   []action
	Result    reconcile.Result
	// Executable is the digest of the program's file that a new template is to begin with; empty for none.
	Executable string
}

// instanceDecision is what to store of one instance; Remove when there is nothing to say any more.
type instanceDecision struct {
	ID      string
	Ordinal int32
	Hash    string
	Status  specs.InstanceStatus
	Remove  bool
	// held is why it does not run though it should; empty otherwise.
	held specs.StateWaiting
	// counts: it has been ready for minReadySeconds.
	counts bool
}

// decider gathers a decision.
type decider struct {
	*observed
	suspended bool
	// oldLive counts runs of other templates.
	oldLive  int
	roll     roll
	decision decision
}

// decide is the whole policy of a process: pure, and the same for acting and for planning.
func decide(o *observed) decision {
	d := &decider{observed: o}
	d.suspended = d.isSuspended()
	for i := range o.Instances {
		if in := &o.Instances[i]; in.live() && in.Hash != o.Hash {
			d.oldLive++
		}
	}
	d.planRoll()
	d.decision.Instances = make([]instanceDecision, 0, len(o.Instances))
	for i := range o.Instances {
		d.instance(&o.Instances[i])
	}
	if o.Process != nil {
		d.status()
		d.decision.Executable = d.executableOf()
	}
	return d.decision
}

// isSuspended reads suspend and resume-at, and asks to look again when it ends.
func (d *decider) isSuspended() bool {
	if d.Process == nil || !d.Process.Spec.Suspend {
		return false
	}
	left, forever := suspendedFor(d.Process, d.Now)
	if left > 0 {
		d.after(min(left, calendarLook))
	}
	return forever || left > 0
}

// after asks to look again; the earliest wins.
func (d *decider) after(left time.Duration) {
	left = max(left, time.Millisecond)
	if r := &d.decision.Result; r.RequeueAfter == 0 || left < r.RequeueAfter {
		r.RequeueAfter = left
	}
}

func (d *decider) act(a action) { d.decision.Actions = append(d.decision.Actions, a) }

// instance decides about one instance.
func (d *decider) instance(in *instance) {
	out := instanceDecision{ID: in.ID, Ordinal: in.Ordinal, Hash: in.Hash}
	switch {
	case in.live() && in.Undeclared && !d.Down:
		out.Remove = true // and with that not stored: a stored one without a process is one that was removed
	case in.live():
		d.running(in)
	case d.desired(in):
		out.held = d.ended(in)
	case d.goesOn(in):
		out.held = d.goOn(in)
	default: // nothing more to come of it
		if in.Run != nil {
			d.act(action{Verb: verbForget, ID: in.ID, Ordinal: in.Ordinal})
		}
		out.Remove = true
	}
	if !out.Remove {
		d.instanceStatus(in, &out)
	}
	if !out.Remove || in.Stored {
		d.decision.Instances = append(d.decision.Instances, out)
	}
}

// running decides about a live run: whether to stop it, go on stopping it, or have it read its configuration again.
func (d *decider) running(in *instance) {
	if in.Stop != nil {
		d.stopping(in)
		return
	}
	reason, message := d.whyStop(in)
	if want := d.limits(in); reason == "" && want != in.Run.Limits {
		d.act(action{Verb: verbLimit, ID: in.ID, Ordinal: in.Ordinal, Attempt: in.Run.Attempt, Message: "changed: " + whatOf(in.Run.Limits, want)})
	}
	a := action{ID: in.ID, Ordinal: in.Ordinal, Attempt: in.Run.Attempt, Stop: reason, Message: message}
	switch {
	case reason == "" && in.Config == specs.ConfigChangeReload:
		a.Verb, a.Message = verbReload, "a config file changed"
	case reason == "":
		return
	case d.stopPlan(in).PreStop != nil || d.Served:
		a.Verb = verbPreStop
	default:
		a.Verb = verbStop
	}
	d.act(a)
}

// limits are what a live run is to have: those of an earlier template keep theirs until they are replaced.
func (d *decider) limits(in *instance) group.Limits {
	if d.Process == nil || in.Hash != d.Hash {
		return in.Run.Limits
	}
	return limitsOf(&d.Process.Spec)
}

// stopping goes on with a stop: preStop, the signal, and at the end of the grace period the whole tree.
func (d *decider) stopping(in *instance) {
	s := in.Stop
	a := action{ID: in.ID, Ordinal: in.Ordinal, Attempt: in.Run.Attempt, Stop: s.Reason}
	if left := d.stopPlan(in).grace() - d.Now.Sub(s.Since); left > 0 {
		d.after(left)
		if !s.Signalled && !s.PreStop {
			a.Verb = verbStop
			if s.Found && d.stopPlan(in).PreStop != nil { // rather twice than cut short
				a.Verb = verbPreStop
			}
			d.act(a)
		}
		return
	}
	const again = 10 * time.Second // a process in an uninterruptible sleep does not go by the first try
	if left := again - d.Now.Sub(s.Killed); !s.Killed.IsZero() && left > 0 {
		d.after(left)
		return
	}
	a.Verb, a.Message = verbKill, "the grace period of "+d.stopPlan(in).grace().String()+" is over"
	d.act(a)
}

// stopPlan is how this instance is stopped: as the process says now, else as it said last.
func (d *decider) stopPlan(in *instance) stopPlan {
	if d.Process != nil {
		p := planOf(&d.Process.Spec)
		if d.Down && d.Name == specs.SystemProcess {
			grace := min(int64(p.grace()/time.Second), int64(systemGateGrace/time.Second))
			p.GraceSeconds = &grace
		}
		return p
	}
	if d.Last != (stopPlan{}) || in.Run == nil {
		return d.Last
	}
	return in.Run.Note.Stop
}

// whyStop tells why a live run is to end; an empty reason is: it is not.
func (d *decider) whyStop(in *instance) (stopReason, string) {
	switch {
	case d.Down:
		return d.ifNotHeld(stopShutdown, "the operator stops everything")
	case d.Process == nil:
		return stopRemoved, "the process was removed"
	case d.suspended:
		return stopSuspended, d.suspendReason()
	case in.Hash != d.Hash:
		if d.mayGo(in) {
			return stopReplaced, "changed: " + d.changed()
		}
	case in.Ordinal >= d.replicas():
		return stopScaledDown, "replicas is " + strconv.Itoa(int(d.replicas()))
	case in.Health.Failed != "":
		return in.Health.Failed, in.Health.Message
	case d.restartAsked(in):
		return stopRestart, "restart was asked for"
	case in.Config == specs.ConfigChangeRestart:
		return stopConfig, "a config file changed"
	case in.ExecutableChanged && d.Process.Spec.OnExecutableChange == specs.ExecutableChangeRestart && !d.rolls():
		return stopExecutable, "the executable changed"
	}
	return "", ""
}

// ifNotHeld holds a stop back while processes that depend on this one still run.
func (d *decider) ifNotHeld(r stopReason, message string) (stopReason, string) {
	if len(d.Held) > 0 {
		return "", ""
	}
	return r, message
}

// mayReplace tells whether the old template's runs may be stopped: only for a template that can be started then.
func (d *decider) mayReplace() bool {
	return d.replicas() == 0 || d.Template == nil && len(d.unmet()) == 0
}
