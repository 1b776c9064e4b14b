package stack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// verdict is what the conditions say.
type verdict struct {
	ready, synced metav1.Condition
	// reconciling, stalled and degraded are left out when they have no reason.
	reconciling, stalled, degraded metav1.Condition
}

func (v *verdict) write(st *specs.StackStatus, generation int64, now time.Time) {
	for _, c := range []struct {
		typ string
		metav1.Condition
	}{{specs.ConditionReady, v.ready}, {specs.ConditionReconciling, v.reconciling}, {specs.ConditionStalled, v.stalled}, {specs.ConditionDegraded, v.degraded}, {specs.ConditionSynced, v.synced}} {
		c.Condition.Type, c.Condition.ObservedGeneration = c.typ, generation
		c.Condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
		if c.Reason == "" {
			st.Conditions = slices.DeleteFunc(st.Conditions, func(old metav1.Condition) bool { return old.Type == c.typ })
			continue
		}
		reconcile.SetCondition(&st.Conditions, c.Condition)
	}
}

func condition(ok bool, reason, message string) metav1.Condition {
	c := metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: message}
	if ok {
		c.Status = metav1.ConditionTrue
	}
	return c
}

// verdict says how the Stack is.
func (r *Reconciler) verdict(s *state, o *specs.Stack, st *specs.StackStatus, failed error) verdict {
	v := verdict{}
	ready, declared := int32(0), int32(0)
	for _, c := range st.Objects {
		ready, declared = ready+c.Ready, declared+c.Declared
	}
	all := fmt.Sprintf("%d of %d ready", ready, declared)
	v.stalled, v.degraded = r.stalled(s, st), r.degraded(s)
	v.reconciling = r.reconciling(s, failed)
	switch {
	case o.Spec.Suspend:
		v.synced = condition(false, specs.ReasonSuspended, "the files are not followed")
	case v.stalled.Reason != "":
		v.synced = condition(false, v.stalled.Reason, v.stalled.Message)
	case s.decided.blocked == specs.ReasonPendingApply:
		v.synced = condition(false, specs.ReasonPendingApply, "the files wait for: "+st.Pending.Command)
	case s.decided.blocked == specs.ReasonHeld:
		v.synced = condition(false, specs.ReasonHeld, s.heldText())
	case v.reconciling.Reason == "" && v.degraded.Reason != "":
		v.synced = condition(false, specs.ReasonHeld, v.degraded.Message)
	case v.reconciling.Reason != "" || s.disk == nil || s.live.Digest() != s.disk.Digest():
		v.synced = condition(false, specs.ReasonApplying, "what the files hold is not in force yet")
	default:
		v.synced = condition(true, specs.ReasonSynced, "what the files hold is in force")
	}
	if v.reconciling.Reason == "" {
		v.reconciling = s.waitsForConfirm()
	}
	switch {
	case v.stalled.Reason != "" && v.stalled.Reason != specs.ReasonWaitingForGit:
		v.ready = condition(false, v.stalled.Reason, v.stalled.Message+"; "+all)
	case failed != nil:
		v.ready = condition(false, specs.ReasonApplyFailed, failed.Error())
	case s.rec.staged():
		v.ready = condition(false, specs.ReasonRollingOut, all+"; "+v.reconciling.Message)
	case ready < declared:
		v.ready = condition(false, specs.ReasonWaitingForObjects, all+": "+names(s.unready))
		if v.reconciling.Reason == "" {
			v.reconciling = condition(true, specs.ReasonWaitingForObjects, all)
		}
	default:
		v.ready = condition(true, v.synced.Reason, all)
	}
	return v
}

func names(list []string) string {
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + fmt.Sprintf(" and %d more", len(list)-5)
	}
	return strings.Join(list, ", ")
}

// stalled says what needs somebody, if anything does.
func (r *Reconciler) stalled(s *state, st *specs.StackStatus) metav1.Condition {
	live := "nothing is in force"
	if s.rec.Live != nil {
		live = "live stays " + s.rec.Live.Short()
	}
	switch h := r.snap.Hold; {
	case r.snap.Err != nil:
		return condition(true, specs.ReasonSourceUnavailable, fmt.Sprintf("cannot read the manifest directory: %v; %s", r.snap.Err, live))
	case h != nil && r.o.Now().Sub(h.Since) >= gitPatience:
		return condition(true, specs.ReasonWaitingForGit, fmt.Sprintf("git is at work (%s) since %s: %s; remove that file if no git runs", h.Reason, h.Since.UTC().Format(time.RFC3339), h.Path))
	case s.refused:
		files := map[string]bool{}
		for _, f := range s.faults {
			files[f.File] = true
		}
		return condition(true, specs.ReasonManifestsRefused, fmt.Sprintf("%s in %d of %s; %s", plural(len(s.faults), "fault"), len(files), plural(s.disk.Files(), "file"), live))
	case s.decided.blocked == specs.ReasonPruneBlocked && st.Pending != nil:
		return condition(true, specs.ReasonPruneBlocked, r.pruneText(s, st.Pending))
	}
	return metav1.Condition{}
}

// reconciling says what is under way, if anything is.
func (r *Reconciler) reconciling(s *state, failed error) metav1.Condition {
	switch d := s.decided; {
	case failed != nil:
		return condition(true, specs.ReasonApplying, "trying again: "+failed.Error())
	case s.target != nil:
		return condition(true, specs.ReasonApplying, "revision "+short(s.target.Digest())+" is being put in force")
	case r.snap.Hold != nil:
		return condition(true, specs.ReasonWaitingForGit, "git is at work: "+r.snap.Hold.Path)
	case s.rec.staged():
		return condition(true, specs.ReasonRollingOut, r.rollText(s))
	case d.waits == specs.ReasonWaitingForQuiet:
		return condition(true, specs.ReasonWaitingForQuiet, fmt.Sprintf("%s wait until the files are quiet", plural(len(d.deletes), "removal")))
	case s.decided.waits == specs.ReasonHandedOver:
		return condition(true, specs.ReasonHandedOver, "objects wait for the stack that takes them over")
	}
	return metav1.Condition{}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
