package stack

import (
	"context"
	"fmt"
	"time"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// act is what somebody asked for, beside what happens by itself.
type act struct {
	// apply a Manual stack; agreed to the removals; now: without waiting for quiet.
	apply, agreed, now bool
	// by whom.
	by string
	// advance a rollout.
	advance bool
	// confirm within this time what is put in force; 0 for not at all.
	confirm time.Duration
}

// sync puts in force what may be put in force, and says when to look again.
func (r *Reconciler) sync(ctx context.Context, s *state, a act) (time.Duration, error) {
	if err := r.ensure(ctx, s); err != nil {
		return 0, err
	}
	o, err := r.stackObject(s.name)
	if err != nil {
		return 0, err
	}
	after, err := r.resume(ctx, o)
	if err != nil {
		return 0, err
	}
	if o, err = r.stackObject(s.name); err != nil {
		return 0, err
	}
	r.notice(s, o)
	if o.Spec.Suspend {
		return after, r.noteSuspended(ctx, s)
	}
	if err := r.finishTarget(ctx, s, o); err != nil {
		return after, err
	}
	left, err := r.expire(ctx, s, o)
	if err != nil {
		return after, err
	}
	after = sooner(after, left)
	if err := r.unhold(ctx, s); err != nil {
		return after, err
	}
	s.decided = decide(r.observe(s, o, s.disk, a))
	if d := &s.decided; d.target != nil && len(d.stays) > 0 && len(admit.Admit(d.target, s.live, r.world(s))) > 0 {
		d.target, d.unfit = nil, true
	}
	if t := s.decided.target; s.rec.staged() && (t == nil || t.Digest() == s.rec.Roll.To.Digest) {
		if err := r.goOn(ctx, s, o, a); err != nil {
			return after, err
		}
	} else if s.decided.target != nil {
		if err := r.enforce(ctx, s, o, s.decided, a); err != nil || s.refused {
			return after, err
		}
		s.decided = decide(r.observe(s, o, s.disk, a)) // what still waits
		if s.rec.staged() {
			s.decided.target, s.decided.waits = nil, specs.ReasonRollingOut
		}
	} else if err := r.mend(ctx, s, o); err != nil {
		return after, err
	}
	if r.over(s) {
		return 0, r.forget(ctx, s, o)
	}
	return sooner(sooner(after, s.decided.requeue), r.patience()), nil
}

// patience is how long until what is waited for is due, whichever Stack it concerns; 0 for nothing.
func (r *Reconciler) patience() (after time.Duration) {
	now := r.o.Now()
	if h := r.snap.Hold; h != nil {
		after = max(0, gitPatience-now.Sub(h.Since))
	}
	if r.waiting && r.snap.Err == nil {
		after = sooner(after, max(time.Millisecond, r.o.Quiet-now.Sub(r.snap.Changed)))
	}
	return after
}

// notice looks at what somebody changed in the Stack's object, or in those that kept its set from being put in force.
func (r *Reconciler) notice(s *state, o *specs.Stack) {
	if s.generation != o.Generation {
		s.generation = o.Generation
		if r.read && r.snap.Hold == nil {
			r.adopt(nil, nil, false)
		}
		r.publish()
	}
	if s.misfit {
		r.admit(s)
	}
}

// over tells whether a removed Stack has nothing left.
func (r *Reconciler) over(s *state) bool {
	return s.removed && r.read && s.live.Len() == 0 && s.disk.Files() == 0 && r.snap.Hold == nil
}

// observe gathers what a decision depends on.
func (r *Reconciler) observe(s *state, stack *specs.Stack, to *admit.Set, a act) observed {
	sp, snap := stack.Spec, r.snap
	if snap == nil {
		snap = &source.Snapshot{} // nothing was read yet
	}
	o := observed{
		name: s.name, live: s.live, disk: to, refused: s.refused, suspended: sp.Suspend, removed: s.removed,
		manual: sp.Sync == specs.SyncManual, orphan: sp.DeletionPolicy == specs.DeletionOrphan,
		prune:     sp.Prune == nil || sp.Prune.Enabled == nil || *sp.Prune.Enabled,
		maxDelete: specs.DefaultMaxDeletePercent,
		held:      to == s.disk && s.holds(),
		act:       a.apply, agreed: a.agreed, git: snap.Hold != nil, unreadable: snap.Err != nil,
	}
	if sp.Prune != nil && sp.Prune.MaxDeletePercent != nil {
		o.maxDelete = int(*sp.Prune.MaxDeletePercent)
	}
	for k := range s.rec.failures(to) {
		if o.failed == nil {
			o.failed = map[store.Key]bool{}
		}
		o.failed[k] = to == s.disk
	}
	if !a.now {
		o.quietIn = max(0, r.o.Quiet-r.o.Now().Sub(snap.Changed))
	}
	if to == nil || s.live.Digest() == to.Digest() {
		return o
	}
	o.changes = admit.Diff(s.live, to)
	o.objects = map[store.Key]found{}
	for _, c := range o.changes {
		if c.New != nil {
			continue
		}
		if live, ok := r.get(c.Key); ok {
			o.objects[c.Key] = found{
				stack: live.GetLabels()[specs.LabelStack], kept: live.GetAnnotations()[specs.AnnotationPrune] == "disabled", elsewhere: r.elsewhere(s, c.Key),
			}
		}
	}
	return o
}

// elsewhere tells whether a file of another stack declares the object.
func (r *Reconciler) elsewhere(s *state, k store.Key) bool {
	for _, o := range r.stacks {
		if o != s && o.disk.Get(k) != nil {
			return true
		}
	}
	return false
}

// enforce puts what was decided in force.
func (r *Reconciler) enforce(ctx context.Context, s *state, o *specs.Stack, d decision, a act) error {
	ops, faults, err := r.ops(s, d.target, d.fates)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		s.faults, s.refused, s.misfit, s.admitted = faults, true, true, nil
		return nil
	}
	if c := r.carried(s, d.target, ops); len(c) > 0 {
		ops = append(ops, c...)
		order(ops, d.target)
	}
	rev := r.revisionOf(d.target)
	rev.Message, rev.By = counted(ops), a.by
	rev.Dirty = rev.Dirty || rev.Commit != "" && rev.Digest != s.disk.Digest() // what waits is not as in the commit
	return r.enforceStage(ctx, s, o, d.target, ops, rev, a.confirm)
}

// finishTarget goes on with a change that was interrupted.
func (r *Reconciler) finishTarget(ctx context.Context, s *state, o *specs.Stack) error {
	if s.target == nil {
		return nil
	}
	ops, _, err := r.ops(s, s.target, r.fates(s, o, s.target))
	if err != nil {
		return err
	}
	rev := s.rec.Target
	if err := r.commit(ctx, s, change{to: s.target, rev: rev, ops: ops}); err != nil {
		return err
	}
	r.tellApplied(o, rev, ops)
	return nil
}

// mend puts back what is missing of the set in force, and, after a suspension, what others changed in it.
func (r *Reconciler) mend(ctx context.Context, s *state, o *specs.Stack) error {
	if s.verified >= 0 && !s.rec.Verify || s.live == nil {
		return nil
	}
	ops, _, err := r.ops(s, s.live, nil)
	if err != nil || len(ops) == 0 && !s.rec.Verify {
		return err
	}
	rev := s.rec.Live
	if err := r.commit(ctx, s, change{to: s.live, rev: rev, ops: ops}); err != nil {
		return err
	}
	if len(ops) > 0 {
		r.o.Event(o, specs.EventNormal, specs.ReasonApplied, fmt.Sprintf("put revision %s back in force: %s", short(rev.Digest), counted(ops)))
	}
	return nil
}

// drift are the keys of the set in force whose objects are missing or, after a suspension, may have been changed.
func (r *Reconciler) drift(s *state) []store.Key {
	if s.verified >= 0 && !s.rec.Verify {
		return nil
	}
	s.verified = r.belonging(s)
	var drift []store.Key
	for _, k := range s.live.Keys() {
		live, ok := r.get(k)
		if !ok {
			drift = append(drift, k)
			continue
		}
		owner := live.GetLabels()[specs.LabelStack]
		if owner == s.name && s.rec.Verify || owner == "" && s.disk.Get(k) != nil {
			drift = append(drift, k)
		}
	}
	return drift
}

// belonging counts the objects labelled as the stack's.
func (r *Reconciler) belonging(s *state) int {
	n := 0
	for _, kind := range declaredKinds() {
		list, _ := r.o.Client.Store().List(kind)
		for _, o := range list {
			if o.GetLabels()[specs.LabelStack] == s.name {
				n++
			}
		}
	}
	return n
}
