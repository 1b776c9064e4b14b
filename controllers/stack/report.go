package stack

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// maxFaults that a status holds; its condition tells how many there are.
const maxFaults = 100

// report writes the status of a Stack, and says when it must be looked at again. failed is why its set could not be put in force, if so.
func (r *Reconciler) report(ctx context.Context, s *state, failed error) (time.Duration, error) {
	o, err := r.stackObject(s.name)
	if err != nil {
		return 0, nil // the store refused to make it; that error is told
	}
	again := r.count(s)
	n := specs.Copy(o)
	st := &n.Status
	st.ObservedGeneration = o.Generation
	st.Objects = s.counts
	r.revisions(s, st)
	st.Faults = nil
	if s.refused {
		st.Faults = slices.Clone(s.faults[:min(len(s.faults), maxFaults)])
		r.refusedRevision(s, o, st)
	}
	r.pending(s, o, st)
	v := r.verdict(s, o, st, failed)
	v.write(st, o.Generation, r.o.Now())
	if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
		return again, err
	}
	return again, nil
}

// revisions tells what is in force and what the files hold.
func (r *Reconciler) revisions(s *state, st *specs.StackStatus) {
	st.Live = nil
	if live := s.rec.Live; live != nil {
		rev := *live
		st.Live = &rev
	}
	if s.disk == nil {
		return
	}
	disk := r.revisionOf(s.disk)
	if st.Disk != nil && st.Disk.Digest == disk.Digest {
		disk.Time = st.Disk.Time
	}
	st.Disk = disk
	if st.Live != nil && st.Live.Digest == disk.Digest {
		st.Live.Commit, st.Live.Branch, st.Live.Dirty = disk.Commit, disk.Branch, disk.Dirty
	}
}

// refusedRevision notes what was refused, and tells it once.
func (r *Reconciler) refusedRevision(s *state, o *specs.Stack, st *specs.StackStatus) {
	if f := st.LastFailed; f != nil && f.Digest == s.disk.Digest() && f.Message == s.faults[0].String() {
		return
	}
	st.LastFailed = r.revisionOf(s.disk)
	st.LastFailed.Message = s.faults[0].String()
	r.o.Event(o, specs.EventWarning, specs.ReasonManifestsRefused, s.faults[0].String()+more(len(s.faults)-1))
}

// pending tells of a plan that waits for somebody's word.
func (r *Reconciler) pending(s *state, o *specs.Stack, st *specs.StackStatus) {
	d := s.decided
	if d.blocked == "" || s.disk == nil || s.refused {
		st.Pending = nil
		return
	}
	b := r.bind(s, s.disk, d.fates)
	p := &specs.PendingPlan{Digest: r.plans.add(b), Reason: d.blocked}
	if d.blocked == specs.ReasonPendingApply {
		p.Reason = "Manual"
	}
	for _, does := range b.Does {
		switch plan.Change(does) {
		case plan.Create:
			p.Create++
		case plan.Update:
			p.Update++
		case plan.Delete:
			p.Delete++
		}
	}
	p.Command = "mirrorctl apply --plan " + p.Digest
	if d.over {
		p.Command = "mirrorctl apply --prune --plan " + p.Digest
	}
	told := st.Pending != nil && st.Pending.Digest == p.Digest
	if st.Pending = p; d.blocked == specs.ReasonPruneBlocked && !told {
		r.o.Event(o, specs.EventWarning, specs.ReasonPruneBlocked, r.pruneText(s, p))
	}
}

// pruneText says what would go, and how to agree.
func (r *Reconciler) pruneText(s *state, p *specs.PendingPlan) string {
	var names []string
	for _, k := range s.decided.deletes {
		names = append(names, k.String())
	}
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	return fmt.Sprintf("%d of %d objects would be removed (%s); to agree: %s", len(s.decided.deletes), s.live.Len(), strings.Join(names, ", "), p.Command)
}

// tellApplied tells what was put in force.
func (r *Reconciler) tellApplied(o *specs.Stack, rev *specs.Revision, ops []op) {
	r.o.Event(o, specs.EventNormal, specs.ReasonApplied, fmt.Sprintf("put revision %s in force: %s", where(rev), counted(ops)))
	for i := range ops {
		switch p := &ops[i]; {
		case p.adopted:
			r.o.Event(o, specs.EventNormal, specs.ReasonAdopted, p.key.String()+" was made through the API; it belongs to the stack now")
		case p.from != "":
			r.o.Event(o, specs.EventNormal, specs.ReasonHandedOver, p.key.String()+" was taken over from stack/"+p.from)
		case p.keep:
			r.o.Event(o, specs.EventNormal, specs.ReasonPruneDisabled, p.key.String()+" stays though its document is gone; it belongs to no stack now")
		}
	}
}

// where is a revision in words: the commit and branch when there is one.
func where(rev *specs.Revision) string {
	if rev.Commit == "" {
		return short(rev.Digest)
	}
	text := rev.Short()
	if rev.Branch != "" {
		text += " " + rev.Branch
	}
	return text
}

// count counts the objects that are ready, not more often than is cheap, and says when to count again if it did not.
func (r *Reconciler) count(s *state) time.Duration {
	set := s.inForce()
	pause := min(time.Second, time.Duration(set.Len())*100*time.Microsecond)
	now := r.o.Now()
	rev := r.o.Client.Store().Rev()
	if set == s.countedSet {
		if rev == s.countedRev {
			return 0
		}
		if since := now.Sub(s.counted); since >= 0 && since < pause {
			return pause - since
		}
	}
	s.counted, s.countedRev, s.countedSet, s.counts, s.unready = now, rev, set, nil, nil
	declared := set.Kinds()
	there := 0
	for _, kind := range declaredKinds() {
		var ready int32
		list, _ := r.o.Client.Store().List(kind)
		for _, o := range list {
			if o.GetLabels()[specs.LabelStack] != s.name {
				continue
			}
			there++
			if isReady(o) {
				ready++
			} else {
				s.unready = append(s.unready, o.GetName())
			}
		}
		if declared[kind] > 0 {
			s.counts = append(s.counts, specs.KindCount{Kind: kind, Ready: min(ready, declared[kind]), Declared: declared[kind]})
		}
	}
	if s.verified >= 0 && there < s.verified && s.target == nil {
		s.verified = -1 // something is missing: it is put back next
		return time.Millisecond
	}
	return 0
}

// isReady tells whether an object says that it is ready as it is declared now.
func isReady(o store.Object) bool {
	conds := conditionsOf(o)
	for i := range conds {
		if c := &conds[i]; c.Type == specs.ConditionReady {
			return c.Status == metav1.ConditionTrue && (c.ObservedGeneration == 0 || c.ObservedGeneration >= o.GetGeneration())
		}
	}
	return false
}

// verdict is what the conditions say.
type verdict struct {
	ready, synced metav1.Condition
	// reconciling and stalled are left out when they have no reason.
	reconciling, stalled metav1.Condition
}

func (v *verdict) write(st *specs.StackStatus, generation int64, now time.Time) {
	for _, c := range []struct {
		typ string
		metav1.Condition
	}{{specs.ConditionReady, v.ready}, {specs.ConditionReconciling, v.reconciling}, {specs.ConditionStalled, v.stalled}, {specs.ConditionSynced, v.synced}} {
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
	v.stalled = r.stalled(s, st)
	v.reconciling = r.reconciling(s, failed)
	switch {
	case o.Spec.Suspend:
		v.synced = condition(false, specs.ReasonSuspended, "the files are not followed")
	case v.stalled.Reason != "":
		v.synced = condition(false, v.stalled.Reason, v.stalled.Message)
	case s.decided.blocked == specs.ReasonPendingApply:
		v.synced = condition(false, specs.ReasonPendingApply, "the files wait for: "+st.Pending.Command)
	case v.reconciling.Reason != "" || s.disk == nil || s.live.Digest() != s.disk.Digest():
		v.synced = condition(false, specs.ReasonApplying, "what the files hold is not in force yet")
	default:
		v.synced = condition(true, specs.ReasonSynced, "what the files hold is in force")
	}
	switch {
	case v.stalled.Reason != "" && v.stalled.Reason != specs.ReasonWaitingForGit:
		v.ready = condition(false, v.stalled.Reason, v.stalled.Message+"; "+all)
	case failed != nil:
		v.ready = condition(false, specs.ReasonApplyFailed, failed.Error())
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

// conditionsOf answers status.conditions of an object; none when its kind has none.
func conditionsOf(o store.Object) []metav1.Condition {
	switch o := o.(type) {
	case *specs.Process:
		return o.Status.Conditions
	case *specs.Stack:
		return o.Status.Conditions
	}
	status := reflect.Indirect(reflect.ValueOf(o)).FieldByName("Status")
	if !status.IsValid() || status.Kind() != reflect.Struct {
		return nil
	}
	f := status.FieldByName("Conditions")
	if !f.IsValid() {
		return nil
	}
	conds, _ := f.Interface().([]metav1.Condition)
	return conds
}
