package stack

import (
	"context"
	"fmt"
	"maps"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// act is what somebody asked for, beside what happens by itself.
type act struct {
	// apply a Manual stack; agreed to the removals; now: without waiting for quiet.
	apply, agreed, now bool
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
	if o.Spec.Suspend {
		return after, r.noteSuspended(ctx, s)
	}
	if err := r.finishTarget(ctx, s, o); err != nil {
		return after, err
	}
	s.decided = decide(r.observe(s, o, s.disk, a))
	if s.decided.target != nil {
		if err := r.put1(ctx, s, o, s.decided); err != nil || s.refused {
			return after, err
		}
		s.decided = decide(r.observe(s, o, s.disk, act{})) // what still waits
	} else if err := r.mend(ctx, s, o); err != nil {
		return after, err
	}
	if r.over(s) {
		return 0, r.forget(ctx, s, o)
	}
	after = sooner(after, s.decided.requeue)
	if h := r.snap.Hold; h != nil {
		after = sooner(after, max(time.Second, gitPatience-r.o.Now().Sub(h.Since)))
	}
	if r.waiting {
		after = sooner(after, max(time.Millisecond, r.o.Quiet-r.o.Now().Sub(r.snap.Changed)))
	}
	return after, nil
}

// over tells whether a removed Stack has nothing left.
func (r *Reconciler) over(s *state) bool {
	return s.removed && r.read && s.live.Len() == 0 && s.disk.Files() == 0 && r.snap.Hold == nil
}

// observe gathers what a decision depends on.
func (r *Reconciler) observe(s *state, stack *specs.Stack, to *admit.Set, a act) observed {
	sp := stack.Spec
	o := observed{
		name: s.name, live: s.live, disk: to, refused: s.refused, suspended: sp.Suspend, removed: s.removed,
		manual: sp.Sync == specs.SyncManual, orphan: sp.DeletionPolicy == specs.DeletionOrphan,
		prune:     sp.Prune == nil || sp.Prune.Enabled == nil || *sp.Prune.Enabled,
		maxDelete: specs.DefaultMaxDeletePercent,
		act:       a.apply, agreed: a.agreed, git: r.snap.Hold != nil, unreadable: r.snap.Err != nil,
	}
	if sp.Prune != nil && sp.Prune.MaxDeletePercent != nil {
		o.maxDelete = int(*sp.Prune.MaxDeletePercent)
	}
	if !a.now {
		o.quietIn = max(0, r.o.Quiet-r.o.Now().Sub(r.snap.Changed))
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

// put1 puts what was decided in force.
func (r *Reconciler) put1(ctx context.Context, s *state, o *specs.Stack, d decision) error {
	ops, faults, err := r.ops(s, d.target, d.fates)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		s.faults, s.refused, s.admitted = faults, true, nil
		return nil
	}
	rev := r.revisionOf(d.target)
	rev.Message = counted(ops)
	if err := r.commit(ctx, s, d.target, ops, rev); err != nil {
		return err
	}
	r.tellApplied(o, rev, ops)
	return nil
}

// finishTarget goes on with a change that was interrupted.
func (r *Reconciler) finishTarget(ctx context.Context, s *state, o *specs.Stack) error {
	if s.target == nil {
		return nil
	}
	obs := r.observe(s, o, s.target, act{apply: true, agreed: true, now: true})
	d := decision{fates: map[store.Key]fate{}, taken: map[store.Key]store.Key{}}
	d.sort(obs)
	ops, _, err := r.ops(s, s.target, d.fates)
	if err != nil {
		return err
	}
	rev := s.rec.Target
	if err := r.commit(ctx, s, s.target, ops, rev); err != nil {
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
	if err := r.commit(ctx, s, s.live, ops, rev); err != nil {
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

// noteSuspended remembers durably that what the files declare may be changed from now on.
func (r *Reconciler) noteSuspended(ctx context.Context, s *state) error {
	s.decided = decision{}
	r.publish()
	if s.rec.Verify || s.live == nil {
		return nil
	}
	return r.keep(ctx, s, func(c *receipt) { c.Verify = true }, nil)
}

// keep changes the receipt, with other writes when there are some.
func (r *Reconciler) keep(ctx context.Context, s *state, change func(*receipt), also func(*reconcile.ClientTx) error) error {
	next := s.rec
	change(&next)
	_, err := r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
		if also != nil {
			if err := also(t); err != nil {
				return err
			}
		}
		return next.save(t, s.name)
	})
	if err != nil {
		return err
	}
	s.rec = next
	r.publish()
	return nil
}

// resume ends a suspension whose time has come, and says how long it still is.
func (r *Reconciler) resume(ctx context.Context, o *specs.Stack) (time.Duration, error) {
	text := o.GetAnnotations()[specs.AnnotationResumeAt]
	if text == "" || !o.Spec.Suspend {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, nil // validation refuses it; what is there from before waits for somebody
	}
	if left := at.Sub(r.o.Now()); left > 0 {
		return left, nil
	}
	n := specs.Copy(o)
	n.Spec.Suspend = false
	annotations := maps.Clone(n.Annotations)
	delete(annotations, specs.AnnotationResumeAt)
	delete(annotations, specs.AnnotationSuspendReason)
	n.Annotations = annotations
	n.ResourceVersion = ""
	if _, err := r.o.Client.Update(ctx, n); err != nil {
		return 0, err
	}
	r.o.Event(o, specs.EventNormal, specs.ReasonResumed, "the suspension ended at "+text)
	r.publish()
	return 0, nil
}

// ensure brings the Stack's own object to its document. Documents of Stacks act at once: they say how everything else does.
func (r *Reconciler) ensure(ctx context.Context, s *state) error {
	live, exists := reconcile.Get[*specs.Stack](r.o.Client, s.name)
	if s.doc == nil {
		if exists {
			return nil
		}
		return r.ensureWithout(ctx, s)
	}
	doc := s.doc.Document()
	if doc == nil || doc.Object == nil {
		return nil
	}
	k := &kept{File: s.doc.Rel(), Line: s.doc.Line, Path: doc.Object.(*specs.Stack).Spec.Source.Path, Text: string(doc.Text)}
	if was := s.rec.Doc; exists && was != nil && was.File == k.File && was.Line == k.Line && was.Text == k.Text {
		return nil
	}
	return r.keep(ctx, s, func(c *receipt) { c.Doc = k }, func(t *reconcile.ClientTx) error {
		if !exists {
			_, err := t.Create(created(doc, ""))
			return err
		}
		var last *specs.Document
		if e := s.document(); e != nil {
			last = e.Document()
		}
		n, faults, err := merged(last, doc, live, "")
		if err != nil || len(faults) > 0 {
			return fmt.Errorf("cannot put stack/%s in force: %w", s.name, orFaults(err, faults.ToAggregate()))
		}
		n.SetResourceVersion("")
		_, err = t.Update(n)
		return err
	})
}

func orFaults(err, faults error) error {
	if err != nil {
		return err
	}
	return faults
}

// ensureWithout makes the object of a Stack that no file declares: the default one, or one whose object somebody removed before its objects went.
func (r *Reconciler) ensureWithout(ctx context.Context, s *state) error {
	if e := s.document(); e != nil {
		if d := e.Document(); d != nil && d.Object != nil {
			_, err := r.o.Client.Create(ctx, created(d, ""))
			return err
		}
	}
	o := &specs.Stack{}
	o.Name = s.name
	specs.Default(o)
	return r.keep(ctx, s, func(*receipt) {}, func(t *reconcile.ClientTx) error { _, err := t.Create(o); return err })
}

// forget removes a Stack that has nothing left, with all that is kept of it.
func (r *Reconciler) forget(ctx context.Context, s *state, o *specs.Stack) error {
	names := r.garbage(s.name, nil, s.rec.History)
	_, err := r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
		for _, n := range names {
			t.DeleteBlob(revisionBucket, s.name+"/"+n)
		}
		t.DeleteBlob(receiptBucket, s.name)
		return t.Delete(store.Key{Kind: "Stack", Name: s.name})
	})
	if err != nil {
		return err
	}
	r.o.Event(o, specs.EventNormal, specs.ReasonStackDeleted, "its document is gone, and it has no objects left")
	delete(r.stacks, s.name)
	r.publish()
	return nil
}
