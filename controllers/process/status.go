package process

import (
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// tally counts what instances do, for the status of their process.
type tally struct {
	live, updated, ready, started, completed, ended int32
	restarts                                        int32
	// worst is the instance that says most about why the process is not ready.
	worst       *instanceDecision
	worstRank   int
	executables int
	// weaker are conditions of an instance that is held less than was asked for, one of a type.
	weaker []*metav1.Condition
}

// status says how the process is.
func (d *decider) status() {
	t := d.count()
	p := d.Process
	st := &d.decision.Status
	*st = specs.ProcessStatus{ObservedGeneration: p.Generation, TemplateHash: d.Hash,
		Replicas: t.live, UpdatedReplicas: t.updated, ReadyReplicas: t.ready, Restarts: t.restarts}
	c := conditions{now: d.Now, generation: p.Generation, old: p.Status.Conditions}
	want := d.replicas()
	done := want > 0 && t.completed == want && t.updated == 0
	settled := t.live == t.updated && (t.ready == want || done || d.suspended && t.live == 0 || t.ended > 0 && t.ended+t.ready == want)
	d.ready(&c, &t, done)
	if stall := d.stalled(&t); stall != "" {
		if !settled && t.worst != nil {
			c.set(specs.ConditionReconciling, true, "Retrying", t.worst.held.Message)
		}
		c.set(specs.ConditionStalled, true, stall, d.worstText(&t))
	} else if !settled {
		c.set(specs.ConditionReconciling, true, specs.ReasonProgressing, d.worstText(&t))
	}
	c.set(conditionStarted, t.started+t.completed >= want && !d.suspended, "Instances", ratio(t.started, want)+" started")
	if p.Spec.RestartPolicy != specs.RestartAlways && p.Spec.RestartPolicy != "" {
		c.set(conditionCompleted, done, "Instances", ratio(t.completed, want)+" completed")
	}
	d.references(&c)
	for _, checked := range d.Checked {
		c.put(checked)
	}
	if t.executables > 0 {
		c.set(specs.ConditionExecutableChanged, true, specs.ReasonExecutableChanged, count(t.executables, "instance")+" of it run another file than the one on disk")
	}
	for _, w := range t.weaker {
		c.set(w.Type, true, w.Reason, w.Message)
	}
	st.Conditions = c.done()
}

// count goes over the instances of the current template.
func (d *decider) count() (t tally) {
	for i := range d.decision.Instances {
		out := &d.decision.Instances[i]
		st := &out.Status
		live := !out.Remove && (st.State.Running != nil || st.State.Stopping != nil)
		if live {
			t.live++
		}
		if out.Remove || out.Hash != d.Hash || out.Ordinal >= d.replicas() {
			continue
		}
		t.restarts += st.RestartCount
		switch {
		case live:
			t.updated++
		case st.State.Terminated != nil && st.State.Terminated.Reason == specs.ReasonCompleted:
			t.completed++
			t.ended++
		case st.State.Terminated != nil:
			t.ended++
		}
		if out.counts {
			t.ready++
		}
		if st.State.Running != nil && st.Started {
			t.started++
		}
		if findCondition(st, specs.ConditionExecutableChanged) != nil {
			t.executables++
		}
		for _, kind := range []string{specs.ConditionSandboxDegraded, specs.ConditionLimitsDegraded} {
			if c := findCondition(st, kind); c != nil && !slices.ContainsFunc(t.weaker, func(w *metav1.Condition) bool { return w.Type == kind }) {
				t.weaker = append(t.weaker, c)
			}
		}
		if r := rank(out); r > t.worstRank {
			t.worst, t.worstRank = out, r
		}
	}
	return t
}

func findCondition(st *specs.InstanceStatus, kind string) *metav1.Condition {
	for i := range st.Conditions {
		if st.Conditions[i].Type == kind {
			return &st.Conditions[i]
		}
	}
	return nil
}

// rank orders the causes of not being ready: the one that a person should read first is the highest.
func rank(out *instanceDecision) int {
	st := &out.Status
	switch {
	case out.held.Reason == specs.ReasonCannotStart || out.held.Reason == specs.ReasonSandboxUnavailable || out.held.Reason == specs.ReasonPortUnavailable:
		return 9
	case out.held.Reason == specs.ReasonCrashLoopBackOff:
		return 8
	case out.held.Reason == specs.ReasonRefsNotFound:
		return 7
	case out.held.Reason == specs.ReasonWaitingForDependency:
		return 6
	case out.held.Reason != "":
		return 5
	case st.State.Terminated != nil && st.State.Terminated.Reason != specs.ReasonCompleted:
		return 8
	case st.State.Stopping != nil:
		return 4
	case st.State.Running != nil && !out.counts:
		return 3
	}
	return 0
}

// ready says whether the process is ready, and the worst cause when it is not.
func (d *decider) ready(c *conditions, t *tally, done bool) {
	want := d.replicas()
	text := ratio(t.ready, want) + " ready"
	if d.roll.under && d.roll.ready > 0 {
		text += ", " + strconv.Itoa(d.roll.ready) + " of the old serving on"
	}
	switch {
	case d.Down:
		c.set(specs.ConditionReady, false, waitShutdown, text)
	case d.suspended:
		c.set(specs.ConditionReady, false, specs.ReasonSuspended, d.suspendReason())
	case done:
		c.set(specs.ConditionReady, true, specs.ReasonCompleted, ratio(t.completed, want)+" completed")
	case want == 0:
		c.set(specs.ConditionReady, t.live == 0, specs.ReasonStopped, "replicas is 0")
	case t.ready >= want && t.live == t.updated:
		c.set(specs.ConditionReady, true, specs.ReasonRunning, text)
	case t.ready >= want:
		c.set(specs.ConditionReady, true, specs.ReasonRunning, text+"; old copies are ending")
	case t.worst == nil:
		c.set(specs.ConditionReady, false, specs.ReasonProgressing, text)
	default:
		c.set(specs.ConditionReady, false, d.worstReason(t), text+": "+d.worstText(t))
	}
}

func (d *decider) worstReason(t *tally) string {
	out := t.worst
	for i := range out.Status.Conditions {
		if c := &out.Status.Conditions[i]; c.Type == specs.ConditionReady {
			if c.Status == "True" {
				return specs.ReasonMinReadySeconds
			}
			return c.Reason
		}
	}
	return specs.ReasonNotReady
}

// worstText is what the worst instance says, and when it is tried again.
func (d *decider) worstText(t *tally) string {
	if t.worst == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(t.worst.ID)
	for i := range t.worst.Status.Conditions {
		if c := &t.worst.Status.Conditions[i]; c.Type == specs.ConditionReady && c.Message != "" {
			b.WriteString(": " + c.Message)
		}
	}
	if u := t.worst.held.Until; u != nil {
		b.WriteString("; next try at " + u.Time.Format("15:04:05"))
	}
	return b.String()
}

// stalled names the cause when nothing will get better without somebody's help.
func (d *decider) stalled(t *tally) string {
	if d.suspended || d.Down || t.worst == nil {
		return ""
	}
	switch r := t.worst.held.Reason; r {
	case specs.ReasonCannotStart, specs.ReasonSandboxUnavailable, specs.ReasonPortUnavailable, specs.ReasonCrashLoopBackOff, specs.ReasonRefsNotFound:
		return r
	}
	if s := t.worst.Status.State.Terminated; s != nil {
		return s.Reason
	}
	return ""
}

// references says whether what the process depends on is declared.
func (d *decider) references(c *conditions) {
	if len(d.Dependencies) == 0 {
		return
	}
	var missing []string
	for _, dep := range d.Dependencies {
		if !dep.Found {
			missing = append(missing, dep.Name)
		}
	}
	if len(missing) > 0 {
		c.set(specs.ConditionResolvedRefs, false, specs.ReasonRefsNotFound, "no process "+strings.Join(missing, ", "))
		return
	}
	c.set(specs.ConditionResolvedRefs, true, specs.ReasonResolved, "")
}

func (d *decider) suspendReason() string {
	if r := d.Process.Annotations[specs.AnnotationSuspendReason]; r != "" {
		return "suspended: " + r
	}
	return "suspended"
}

func (d *decider) changed() string {
	if len(d.Changed) == 0 {
		return "template"
	}
	return strings.Join(d.Changed, ", ")
}

func ratio(n, of int32) string { return strconv.Itoa(int(n)) + " of " + strconv.Itoa(int(of)) }
