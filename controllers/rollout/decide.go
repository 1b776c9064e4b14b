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
}

// decision is what is told and done.
type decision struct {
	Status specs.RolloutStatus
	// Advance: the next wave is due.
	Advance bool
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
	var waits, failed []string
	for i, wave := range o.Spec.Waves {
		for j, obj := range wave.Objects {
			s := specs.RolloutObjectStatus{Kind: obj.Kind, Name: obj.Name, Wave: int32(i) + 1, State: specs.RolloutWaiting}
			if int32(i) < o.Spec.InForce {
				s.State, s.Message = judge(obj.Change, o.Objects[i][j])
			}
			st.Objects++
			name := strings.ToLower(obj.Kind) + "/" + obj.Name
			switch s.State {
			case specs.RolloutReady:
				st.ReadyObjects++
			case specs.RolloutFailed:
				failed = append(failed, name+": "+s.Message)
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
	case due && n == all:
		d.finish(o, specs.ReasonRolledOut, true, fmt.Sprintf("%d of %d objects ready", st.ReadyObjects, st.Objects))
		return d
	case due:
		d.Advance = true
	}
	text := fmt.Sprintf("%d of %d waves in force, %d of %d objects ready", n, all, st.ReadyObjects, st.Objects)
	if len(waits) > 0 {
		text += "; waits for " + some(waits)
	}
	d.set(o, specs.ConditionReady, false, specs.ReasonRollingOut, text)
	d.set(o, specs.ConditionProgressing, len(failed) == 0, specs.ReasonRollingOut, text)
	if len(failed) > 0 {
		d.set(o, specs.ConditionStalled, true, specs.ReasonObjectStalled, some(failed))
	} else {
		d.unset(specs.ConditionStalled)
	}
	return d
}

// judge says how far one object is that was written.
func judge(change specs.RolloutChange, o object) (specs.RolloutState, string) {
	switch {
	case change == specs.RolloutDelete && !o.Found:
		return specs.RolloutReady, ""
	case change == specs.RolloutDelete:
		return specs.RolloutApplied, "is on its way out"
	case !o.Found:
		return specs.RolloutReady, "somebody removed it"
	case o.Ready:
		return specs.RolloutReady, ""
	case o.Suspended:
		return specs.RolloutReady, o.Message
	case o.Stalled:
		return specs.RolloutFailed, o.Reason + ": " + o.Message
	}
	return specs.RolloutApplied, o.Message
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
