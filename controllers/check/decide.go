package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// decision is what to do and to say.
type decision struct {
	Status specs.CheckStatus
	// Start a run now.
	Start bool
	// Due is when the next run is to begin; zero for never.
	Due time.Time
	// News is an event to tell once the status is written; nil for none.
	News   *news
	Result reconcile.Result
}

type news struct{ kind, reason, message string }

const (
	// firstWithin is the time in which the first run of a check begins.
	firstWithin = 10 * time.Second
	// late is how long after the end that it should have had a run may be awaited before what was known last is not known any more: others
	// may run before it.
	late = 30 * time.Second
)

// decide is the whole policy: pure.
func decide(o *observed) decision {
	st := specs.CheckStatus{ObservedGeneration: o.Check.Generation, Notified: o.Check.Status.Notified, LastRun: o.Check.Status.LastRun,
		Conditions: slices.Clone(o.Check.Status.Conditions)}
	switch {
	case o.Absent != "":
		st.LastRun = nil // it was of another, and what comes in its place is looked at anew
	case o.Result != nil:
		st.LastRun = o.Result
	}
	d := decision{Status: st}
	d.schedule(o)
	d.verdict(o)
	return d
}

// schedule decides when the next run begins.
func (d *decision) schedule(o *observed) {
	s := o.Check.Spec.Schedule
	if s == nil || o.Absent != "" || o.Running {
		return // what comes, or ends, asks for another look
	}
	every := s.Every.Duration
	soon := o.Now.Add(time.Duration(o.Offset * float64(min(every, firstWithin))))
	switch last := o.last(d.Status.LastRun); {
	case !o.Last.IsZero() && d.Status.LastRun != nil:
		d.Due = o.Last.Add(every)
	case !o.Due.IsZero():
		d.Due = o.Due
	case last >= 0 && last < every:
		d.Due = o.Now.Add(every - last)
	default:
		d.Due = soon
	}
	if !d.Due.After(o.Now) {
		d.Start = true
		return
	}
	d.Result.RequeueAfter = d.Due.Sub(o.Now)
}

// last is how long ago the last run of this generation began by the wall; negative when none has, or the clock was set back since.
func (o *observed) last(run *specs.CheckRun) time.Duration {
	if run == nil || run.Generation != o.Check.Generation {
		return -1
	}
	return o.Now.Round(0).Sub(run.Started.Time)
}

// verdict says how the check stands, and whether to tell of it.
func (d *decision) verdict(o *observed) {
	st := &d.Status
	refs := condition{metav1.ConditionTrue, specs.ReasonResolved, "what it refers to is there"}
	ready := condition{metav1.ConditionTrue, specs.ReasonReady, "it runs when somebody asks"}
	if s := o.Check.Spec.Schedule; s != nil {
		ready.message = "it runs every " + specs.ShortDuration(s.Every.Duration)
	}
	var why string
	switch run := st.LastRun; {
	case o.Absent != "":
		refs = condition{metav1.ConditionFalse, specs.ReasonRefsNotFound, "no " + o.Absent}
		ready = refs
		st.Verdict, why = specs.CheckUnknown, refs.message
	case run == nil:
		st.Verdict, why = specs.CheckUnknown, "it has not run yet"
	case run.Generation != o.Check.Generation:
		st.Verdict, why = specs.CheckUnknown, "it has not run since it was changed"
	case d.stale(o):
		st.Verdict, why = specs.CheckUnknown, "it has not run of late; the last run was "+string(run.Verdict)
	default:
		st.Verdict, why = run.Verdict, run.Message
		d.tell(o)
	}
	if o.Absent != "" {
		d.tell(o)
	}
	passing := condition{metav1.ConditionUnknown, string(st.Verdict), why}
	switch {
	case st.Verdict == specs.CheckPassing:
		passing.status = metav1.ConditionTrue
	case st.Verdict == specs.CheckFailing:
		passing.status = metav1.ConditionFalse
	case o.Absent != "":
		passing.reason = refs.reason
	case st.Verdict == specs.CheckUnknown && (st.LastRun == nil || st.LastRun.Verdict != specs.CheckUnknown):
		passing.reason = specs.ReasonCheckNotRun
	}
	st.Since = o.Check.Status.Since
	if st.Verdict != o.Check.Status.Verdict || st.Since.IsZero() {
		st.Since = stamp(o.Now)
	}
	for _, c := range []struct {
		typ string
		condition
	}{{specs.ConditionReady, ready}, {specs.ConditionPassing, passing}, {specs.ConditionResolvedRefs, refs}} {
		reconcile.SetCondition(&st.Conditions, metav1.Condition{Type: c.typ, Status: c.status, Reason: c.reason, Message: c.message,
			ObservedGeneration: o.Check.Generation, LastTransitionTime: metav1.NewTime(o.Now)})
	}
}

// condition in words.
type condition struct {
	status          metav1.ConditionStatus
	reason, message string
}

// tell decides on an event: when the verdict is another than the one told last. That nothing is known because nothing ran is not told.
func (d *decision) tell(o *observed) {
	st := &d.Status
	if st.Verdict == st.Notified {
		return
	}
	kind, message := specs.EventWarning, "passed"
	if st.Verdict == specs.CheckPassing {
		kind = specs.EventNormal
	} else if message = "no " + o.Absent; o.Absent == "" {
		message = st.LastRun.Message
	}
	if was := cmp.Or(st.Notified, specs.CheckUnknown); was != st.Verdict && st.Notified != "" {
		message += fmt.Sprintf("; before that it was %s", was)
	}
	d.News, st.Notified = &news{kind, "Check" + string(st.Verdict), message}, st.Verdict
}

// stale tells whether a check with a schedule should have run since, and asks for a look when it will be.
func (d *decision) stale(o *observed) bool {
	s := o.Check.Spec.Schedule
	if s == nil {
		return false
	}
	age := o.last(d.Status.LastRun)
	if !o.Last.IsZero() {
		age = o.Now.Sub(o.Last)
	}
	bound := s.Every.Duration + o.Check.Spec.Longest() + late
	if age > bound || age < 0 {
		return true
	}
	if left := bound - age + time.Millisecond; d.Result.RequeueAfter == 0 || left < d.Result.RequeueAfter {
		d.Result.RequeueAfter = left
	}
	return false
}

func stamp(t time.Time) metav1.Time { return metav1.NewTime(t.Round(0)).Rfc3339Copy() }
