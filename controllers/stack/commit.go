package stack

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// change is what one commit puts in force.
type change struct {
	// to is in force then, rev says which content that is, and ops are the writes that it takes.
	to  *admit.Set
	rev *specs.Revision
	ops []op
	// note changes the receipt, with every wave; nil for nothing.
	note func(*receipt)
	// more is to be kept beside what to needs.
	more map[string][]byte
}

// commit puts a set in force: wave by wave, each as one transaction, and with the last one the receipt that says so. What failed is found
// again by the next call: the target is kept with the first wave.
func (r *Reconciler) commit(ctx context.Context, s *state, c change) error {
	blobs, err := c.to.Blobs(s.live)
	if err != nil {
		return err
	}
	maps.Copy(blobs, c.more)
	last := lastWave(c.ops)
	s.target = c.to
	r.publish()
	for wave := 0; wave <= last; wave++ {
		if err := r.commitWave(ctx, s, &c, wave, wave == last, blobs); err != nil {
			if s.rec.Target == nil {
				s.target = nil // nothing of it is in force
				r.publish()
			}
			return fmt.Errorf("cannot put revision %s in force: %w", short(c.rev.Digest), err)
		}
		blobs = nil // they are kept
	}
	runtime.Gosched() // who watches the objects goes first: what is left here is to tell of it
	r.settle(s, c.to)
	for i := range c.ops {
		s.verified += c.ops[i].delta()
	}
	return nil
}

// commitWave makes one transaction of the writes of a wave, what is kept of the set, and the receipt.
func (r *Reconciler) commitWave(ctx context.Context, s *state, c *change, wave int, last bool, blobs map[string][]byte) error {
	next := s.rec
	if c.note != nil {
		c.note(&next)
	}
	var garbage []string
	if last {
		garbage = r.settleReceipt(s, &next, c.rev)
	} else {
		next.Target, next.Wave = c.rev, wave+1
	}
	given, err := r.handedOver(c.ops, wave)
	if err != nil {
		return err
	}
	_, err = r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
		for _, name := range garbage {
			t.DeleteBlob(revisionBucket, s.name+"/"+name)
		}
		for name, data := range blobs {
			t.PutBlob(revisionBucket, s.name+"/"+name, data)
		}
		for i := range given {
			if err := given[i].write(t); err != nil {
				return err
			}
		}
		if err := write(t, c.ops, wave); err != nil {
			return err
		}
		return next.save(t, s.name)
	})
	if err != nil {
		return err
	}
	s.rec = next
	for _, g := range given {
		g.s.rec, g.s.live, g.s.verified = g.rec, g.live, -1
		r.dirty[g.s.name] = true
	}
	return nil
}

// delta is how many objects more belong to the stack.
func (o *op) delta() int {
	switch {
	case o.change == plan.Create || o.adopted || o.from != "":
		return 1
	case o.change == plan.Delete || o.keep:
		return -1
	}
	return 0
}

// write makes the writes of one wave.
func write(t *reconcile.ClientTx, ops []op, wave int) (err error) {
	for i := range ops {
		o := &ops[i]
		if o.wave != wave {
			continue
		}
		if now, ok := t.Get(o.key); ok && o.old != nil && !sameDeclared(now, o.old) {
			return fmt.Errorf("%s: %w", o.key, store.ErrConflict)
		}
		switch o.change {
		case plan.Create:
			_, err = t.Create(o.new)
		case plan.Update:
			o.new.SetResourceVersion("") // a status written meanwhile is no conflict
			_, err = t.Update(o.new)
		case plan.Delete:
			err = t.Delete(o.key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sameDeclared tells whether nobody wrote to an object but its status since it was looked at.
func sameDeclared(now, then specs.Object) bool {
	return now == then || now.GetUID() == then.GetUID() && now.GetGeneration() == then.GetGeneration() && specs.SpecEqual(now, then) &&
		maps.Equal(now.GetLabels(), then.GetLabels()) && maps.Equal(now.GetAnnotations(), then.GetAnnotations())
}

// settle makes a set the one in force, and tells who must know.
func (r *Reconciler) settle(s *state, to *admit.Set) {
	for _, c := range admit.Diff(s.live, to) {
		if c.Old != nil && c.New != nil && c.Old.Dir() != c.New.Dir() {
			r.o.Moved(c.Key)
		}
	}
	old := s.live
	s.live, s.target = to, nil
	to.Release(old)
	if old != to {
		old.Release(to)
	}
	r.publish()
}

// revisionOf says which content it is, and where the work tree stands.
func (r *Reconciler) revisionOf(set *admit.Set) *specs.Revision {
	rev := &specs.Revision{Digest: set.Digest(), Time: metav1.NewTime(r.o.Now()).Rfc3339Copy()}
	if r.snap != nil && r.snap.Git != nil {
		rev.Commit, rev.Branch, rev.Dirty = r.snap.Git.Commit, r.snap.Git.Branch, r.snap.Git.Dirty
	}
	return rev
}

func short(digest string) string { return digest[:min(len(digest), 7)] }

// counted says how many objects the writes create, update, delete and keep.
func counted(ops []op) string {
	var create, update, remove, keep int
	for i := range ops {
		switch {
		case ops[i].keep:
			keep++
		case ops[i].change == plan.Create:
			create++
		case ops[i].change == plan.Update:
			update++
		case ops[i].change == plan.Delete:
			remove++
		}
	}
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{create, "created"}, {update, "updated"}, {remove, "removed"}, {keep, "kept without a stack"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) == 0 {
		return "no object changed"
	}
	return strings.Join(parts, ", ")
}
