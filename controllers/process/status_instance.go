package process

import (
	"strconv"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// Condition types beside those of specs. Started and Completed are what dependencies wait for.
const (
	conditionStarted   = "Started"
	conditionCompleted = "Completed"
	conditionStray     = "StrayProcesses"
)

// instanceStatus says how an instance is.
func (d *decider) instanceStatus(in *instance, out *instanceDecision) {
	st := &out.Status
	if in.Status != nil {
		st.LastState, st.RestartCount = in.Status.LastState, in.Status.RestartCount
	}
	d.state(in, out)
	if in.Run != nil {
		d.runStatus(in, st)
	}
	d.instanceConditions(in, out)
}

// state fills in the one state that holds, and the end before it.
func (d *decider) state(in *instance, out *instanceDecision) {
	st := &out.Status
	switch {
	case in.live() && in.Stop != nil:
		st.State.Stopping = &specs.StateStopping{Since: *seconds(in.Stop.SinceAt), Reason: string(in.Stop.Reason)}
		st.Started = in.Health.Started
	case in.live():
		st.State.Running = runningSince(in)
		st.Started, st.Ready = in.Health.Started, in.Health.Started && in.Health.Ready
		out.counts = st.Ready && d.readyLongEnough(in)
	case out.held.Reason != "":
		w := out.held
		st.State.Waiting = &w
	default:
		st.State.Terminated = in.Ended
		return
	}
	if in.Ended != nil {
		st.LastState = specs.InstanceState{Terminated: in.Ended}
	}
}

// runningSince is the state of a live run; the stored one when it is right.
func runningSince(in *instance) *specs.StateRunning {
	at := in.Run.StartedAt
	if in.Status != nil && in.Status.State.Running != nil {
		if was := in.Status.State.Running; was.StartedAt.Unix() == at.Unix() {
			return was
		}
	}
	return &specs.StateRunning{StartedAt: *seconds(at)}
}

// readyLongEnough holds an instance to minReadySeconds.
func (d *decider) readyLongEnough(in *instance) bool {
	if d.Process == nil || d.Process.Spec.MinReadySeconds == 0 {
		return true
	}
	left := time.Duration(d.Process.Spec.MinReadySeconds) * time.Second
	if !in.ReadySince.IsZero() {
		left -= d.Now.Sub(in.ReadySince)
	}
	if left > 0 {
		d.after(left)
	}
	return left <= 0
}

// runStatus says what is known of the last run.
func (d *decider) runStatus(in *instance, st *specs.InstanceStatus) {
	n := &in.Run.Note
	st.RestartCount, st.Ports, st.Revision, st.Version = n.Restarts, n.Ports, n.Revision, n.Version
	if st.Executable = in.Executable; st.Executable != nil && st.Executable.Digest == unknownDigest {
		st.Executable = &specs.Executable{Path: in.Executable.Path}
	}
	if !in.live() {
		return
	}
	st.PID = int32(in.Run.PID)
	if len(n.Ports) > 0 {
		st.Endpoints = endpoints(n.Ports, in.Status)
	}
}

// endpoints are where the ports are reached; the stored ones when they are right.
func endpoints(ports []specs.InstancePort, stored *specs.InstanceStatus) []string {
	if stored != nil && len(stored.Endpoints) == len(ports) && samePorts(ports, stored.Ports) {
		return stored.Endpoints
	}
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = hostPort(specs.DefaultHost, p.Port)
	}
	return out
}

func samePorts(a, b []specs.InstancePort) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (d *decider) instanceConditions(in *instance, out *instanceDecision) {
	var old []metav1.Condition
	if in.Status != nil {
		old = in.Status.Conditions
	}
	c := conditions{now: d.Now, old: old}
	reason, message := d.readyReason(in, out)
	c.set(specs.ConditionReady, out.Status.Ready, reason, message)
	if in.live() && in.ExecutableChanged {
		c.set(specs.ConditionExecutableChanged, true, specs.ReasonExecutableChanged, "the file is another than the one that runs")
	}
	if in.Run != nil && in.Run.Stray > 0 {
		c.set(conditionStray, true, specs.ReasonEscaped, count(in.Run.Stray, "process")+" of it live outside of its group")
	}
	if in.live() && in.Run.Note.Degraded != "" {
		c.set(specs.ConditionSandboxDegraded, true, specs.ReasonNotEnforced, in.Run.Note.Degraded)
	}
	if in.live() && in.Run.Unmet != "" {
		c.set(specs.ConditionLimitsDegraded, true, specs.ReasonNotEnforced, in.Run.Unmet)
	}
	if in.LogFault.Reason != "" {
		c.set(specs.ConditionLogIntact, false, in.LogFault.Reason, in.LogFault.Message)
	}
	out.Status.Conditions = c.done()
}

// readyReason says why an instance is ready, or is not.
func (d *decider) readyReason(in *instance, out *instanceDecision) (reason, message string) {
	st := &out.Status
	switch {
	case st.State.Waiting != nil:
		return st.State.Waiting.Reason, st.State.Waiting.Message
	case st.State.Stopping != nil:
		return specs.ReasonStopping, st.State.Stopping.Reason
	case st.State.Terminated != nil:
		return st.State.Terminated.Reason, st.State.Terminated.Message
	case !in.Health.Probed && (in.Health.Started || in.Health.Ready):
		return "LastKnown", "not probed since the operator started"
	case !in.Health.Started:
		return specs.ReasonStarting, in.Health.Message
	case !in.Health.Ready:
		return specs.ReasonReadinessFailed, in.Health.Message
	}
	return specs.ReasonRunning, ""
}

// terminated tells how a run ended.
func terminated(r *run, s *stop, tail []string) *specs.StateTerminated {
	t := &specs.StateTerminated{Reason: specs.ReasonUnknown, ExitCode: -1, StartedAt: *seconds(r.StartedAt), FinishedAt: *seconds(r.ExitedAt)}
	x := r.Exit
	switch {
	case x.Rebooted && !x.Known:
		t.Reason, t.Message = specs.ReasonLost, "the host went down"
	case !x.Known:
		t.Message = "nobody saw it end"
	case x.Signal != 0:
		t.Reason, t.Signal, t.ExitCode = specs.ReasonSignaled, signalName(x.Signal), int32(128+x.Signal)
	case x.Code == 0:
		t.Reason, t.ExitCode = specs.ReasonCompleted, 0
	default:
		t.Reason, t.ExitCode = specs.ReasonError, int32(x.Code)
	}
	if x.OOMKills > 0 && s == nil && t.Reason != specs.ReasonCompleted {
		t.Reason = specs.ReasonOOMKilled
	}
	if s != nil && s.failed() {
		t.Reason = string(s.Reason)
	}
	if t.Message == "" && t.Reason != specs.ReasonCompleted {
		t.Message = exitText(x) + lastWords(tail)
	}
	return t
}

// exitText says in a few words how a run ended.
func exitText(x *runner.Exit) string {
	switch {
	case x == nil:
		return ""
	case !x.Known:
		return "ended, nobody saw how"
	case x.OOMKills > 0 && x.Signal == syscall.SIGKILL:
		return "killed for want of memory: it used " + sizeText(x.PeakMemory) + ", all that its limit lets it"
	case x.OOMKills > 0:
		y := *x
		y.OOMKills = 0
		return exitText(&y) + ", and " + count(int(x.OOMKills), "process") + " of it had to be killed for want of memory; it used up to " + sizeText(x.PeakMemory)
	case x.Signal != 0 && x.Core:
		return "ended by " + signalName(x.Signal) + ", core dumped"
	case x.Signal != 0:
		return "ended by " + signalName(x.Signal)
	}
	return "exit " + strconv.Itoa(x.Code)
}

// sizeText is a number of bytes in the unit that fits.
func sizeText(n int64) string {
	switch {
	case n >= 10<<30:
		return strconv.FormatInt(n>>30, 10) + "Gi"
	case n >= 1<<20:
		return strconv.FormatInt(n>>20, 10) + "Mi"
	}
	return strconv.FormatInt(n>>10, 10) + "Ki"
}

// count writes a number of things.
func count(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case thing == "process":
		return strconv.Itoa(n) + " processes"
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func signalName(s syscall.Signal) string {
	for name, n := range signals {
		if n == s {
			return "SIG" + name
		}
	}
	return "signal " + strconv.Itoa(int(s))
}
