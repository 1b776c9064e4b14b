package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// object is an object of the rollout as it is now; the zero object is not there.
type object struct {
	Found bool
	reconcile.Health
	// Deadline is how long it may take to get ready.
	Deadline time.Duration
}

// observed is everything that a decision about one rollout depends on.
type observed struct {
	Now  time.Time
	Spec *specs.RolloutSpec
	// Current: the applier has it on its way, or had it last. Generation of the Rollout, and its status until now.
	Current    bool
	Generation int64
	Old        specs.RolloutStatus
	// Objects of the waves, in their order.
	Objects [][]object
	// Waited is for how long the last wave has been in force, and Ready for how long all of them have been ready.
	Waited, Ready time.Duration
	// AutoRollback: a change that fails is put back. Failure is what was put back already; CannotRollBack says why that did not succeed.
	AutoRollback   bool
	Failure        *specs.RolloutFailure
	CannotRollBack string
}

// steady is how long all objects must be ready before a rollout is over: a program that ends at once was ready for a moment.
const steady = 2 * time.Second

// decision is what is told and done.
type decision struct {
	Status specs.RolloutStatus
	// Advance: the next wave is due. Ready: all waves are in force and ready.
	Advance, Ready bool
	// RollBack are the objects that failed, when the revision before is to be put back.
	RollBack []specs.FailedObject
	// After is when to look again; 0 for not before something changes.
	After time.Duration
}

// over tells whether a rollout is at its end.
func over(st *specs.RolloutStatus) bool { return st.CompletedAt != nil }

// decide says how far a rollout is, and whether its next wave is due.
func decide(o observed) decision {
	if over(&o.Old) {
		return decision{Status: o.Old}
	}
	d := decision{Status: specs.RolloutStatus{ObservedGeneration: o.Generation, Conditions: slices.Clone(o.Old.Conditions)}}
	st := &d.Status
	if !o.Current {
		*st = o.Old
		st.Conditions = slices.Clone(o.Old.Conditions)
		d.finish(o, specs.ReasonRolloutReplaced, false, "another revision was put in force before this one was ready")
		return d
	}
	if o.Failure != nil {
		d.failed(o)
		return d
	}
	var waits, failed []string
	var bad []specs.RolloutObject
	for i, wave := range o.Spec.Waves {
		for j, obj := range wave.Objects {
			s := specs.RolloutObjectStatus{Kind: obj.Kind, Name: obj.Name, Wave: int32(i) + 1, State: specs.RolloutWaiting}
			if int32(i) < o.Spec.InForce {
				var left time.Duration
				if s.State, s.Message, left = judge(obj.Change, o.Objects[i][j], o.Waited); left > 0 && (d.After == 0 || left < d.After) {
					d.After = left
				}
			}
			st.Objects++
			name := strings.ToLower(obj.Kind) + "/" + obj.Name
			switch s.State {
			case specs.RolloutReady:
				st.ReadyObjects++
			case specs.RolloutFailed:
				failed, bad = append(failed, name+": "+s.Message), append(bad, obj)
				d.RollBack = append(d.RollBack, specs.FailedObject{Kind: obj.Kind, Name: obj.Name, Message: s.Message})
			case specs.RolloutApplied:
				waits = append(waits, name)
			}
			st.States = append(st.States, s)
		}
	}
	n, all := o.Spec.InForce, int32(len(o.Spec.Waves))
	st.Wave = min(max(n, 1), all)
	due := len(waits)+len(failed) == 0
	switch {
	case due && n == all && o.Ready < steady:
		d.Ready, d.After = true, steady-o.Ready
	case due && n == all:
		d.Ready = true
		d.finish(o, specs.ReasonRolledOut, true, fmt.Sprintf("%d of %d objects ready", st.ReadyObjects, st.Objects))
		return d
	case due:
		d.Advance = !o.Spec.Paused
	}
	text := fmt.Sprintf("%d of %d waves in force, %d of %d objects ready", n, all, st.ReadyObjects, st.Objects)
	if len(waits) > 0 {
		text += "; waits for " + some(waits)
	}
	d.set(o, specs.ConditionReady, false, specs.ReasonRollingOut, text)
	if o.Spec.Paused {
		d.set(o, specs.ConditionProgressing, false, specs.ReasonRolloutPaused, text)
		d.After = 0
	} else {
		d.set(o, specs.ConditionProgressing, len(failed) == 0, specs.ReasonRollingOut, text)
	}
	switch {
	case len(failed) > 0 && o.CannotRollBack != "":
		d.set(o, specs.ConditionStalled, true, specs.ReasonRollbackFailed, "cannot put the revision before back: "+o.CannotRollBack+"; failed: "+some(failed))
	case len(failed) > 0:
		d.set(o, specs.ConditionStalled, true, specs.ReasonObjectFailed, some(failed))
	default:
		d.unset(specs.ConditionStalled)
	}
	if !o.AutoRollback || o.Spec.Paused || !worthIt(o.Spec, bad) {
		d.RollBack = nil
	}
	return d
}

// worthIt tells whether putting the revision before back would mend something: what failed was ready in it, or is new beside what was.
func worthIt(s *specs.RolloutSpec, failed []specs.RolloutObject) bool {
	ran := slices.ContainsFunc(s.Waves, func(w specs.RolloutWave) bool {
		return slices.ContainsFunc(w.Objects, func(o specs.RolloutObject) bool { return o.WasReady })
	})
	return slices.ContainsFunc(failed, func(o specs.RolloutObject) bool { return o.WasReady || o.Change == specs.RolloutCreate && ran })
}

// failed ends a rollout of which the revision before was put back.
func (d *decision) failed(o observed) {
	var causes []string
	for _, f := range o.Failure.Objects {
		causes = append(causes, strings.ToLower(f.Kind)+"/"+f.Name+": "+f.Message)
	}
	generation := d.Status.ObservedGeneration
	d.Status = o.Old
	d.Status.ObservedGeneration, d.Status.Conditions, d.Status.Failure = generation, slices.Clone(o.Old.Conditions), o.Failure
	d.finish(o, specs.ReasonRolledBack, false, some(causes))
	if o.Spec.From != nil {
		d.set(o, specs.ConditionProgressing, false, specs.ReasonRolledBack, fmt.Sprintf("revision %d is in force again", o.Spec.From.Number))
	}
}

// judge says how far one object is that was written, and how long it may take yet.
func judge(change specs.RolloutChange, o object, waited time.Duration) (specs.RolloutState, string, time.Duration) {
	switch {
	case change == specs.RolloutDelete && !o.Found:
		return specs.RolloutReady, "", 0
	case change == specs.RolloutDelete:
		return specs.RolloutApplied, "is on its way out", 0
	case !o.Found:
		return specs.RolloutReady, "somebody removed it", 0
	case o.Ready:
		return specs.RolloutReady, "", 0
	case o.Suspended:
		return specs.RolloutReady, o.Message, 0
	case o.Stalled:
		return specs.RolloutFailed, o.Reason + ": " + o.Message, 0
	case o.Deadline > 0 && waited >= o.Deadline:
		return specs.RolloutFailed, fmt.Sprintf("not ready within %s: %s", o.Deadline, o.Message), 0
	}
	return specs.RolloutApplied, o.Message, max(0, o.Deadline-waited)
}

// finish ends the rollout.
func (d *decision) finish(o observed, reason string, ready bool, text string) {
	at := metav1.NewTime(o.Now).Rfc3339Copy()
	d.Status.CompletedAt = &at
	d.set(o, specs.ConditionReady, ready, reason, text)
	d.set(o, specs.ConditionProgressing, false, reason, "")
	d.unset(specs.ConditionStalled)
}

func (d *decision) set(o observed, typ string, is bool, reason, message string) {
	c := metav1.Condition{Type: typ, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: o.Generation,
		LastTransitionTime: metav1.NewTime(o.Now)}
	if is {
		c.Status = metav1.ConditionTrue
	}
	reconcile.SetCondition(&d.Status.Conditions, c)
}

func (d *decision) unset(typ string) { meta.RemoveStatusCondition(&d.Status.Conditions, typ) }

// some lists the first of many.
func some(list []string) string {
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", len(list)-5)
	}
	return strings.Join(list, ", ")
}
