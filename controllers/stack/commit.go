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

// commit puts a set in force: wave by wave, each as one transaction, and with the last one the receipt that says so. What failed is found
// again by the next call: the target is kept with the first wave, and what note changes in the receipt with every one.
func (r *Reconciler) commit(ctx context.Context, s *state, to *admit.Set, ops []op, rev *specs.Revision, note func(*receipt)) error {
	blobs, err := to.Blobs(s.live)
	if err != nil {
		return err
	}
	last := 0
	for i := range ops {
		last = max(last, ops[i].wave)
	}
	s.target = to
	r.publish()
	for wave := 0; wave <= last; wave++ {
		if err := r.commitWave(ctx, s, ops, wave, rev, wave == last, blobs, note); err != nil {
			if s.rec.Target == nil {
				s.target = nil // nothing of it is in force
				r.publish()
			}
			return fmt.Errorf("cannot put revision %s in force: %w", short(rev.Digest), err)
		}
		blobs = nil // they are kept
	}
	runtime.Gosched() // who watches the objects goes first: what is left here is to tell of it
	r.settle(s, to)
	for i := range ops {
		s.verified += ops[i].delta()
	}
	return nil
}

// commitWave makes one transaction of the writes of a wave, what is kept of the set, and the receipt.
func (r *Reconciler) commitWave(ctx context.Context, s *state, ops []op, wave int, rev *specs.Revision, last bool, blobs map[string][]byte, note func(*receipt)) error {
	next := s.rec
	if note != nil {
		note(&next)
	}
	next.number(rev)
	var garbage []string
	if last {
		dropped := next.remember(rev, r.limit(s.name), next.Live != nil && s.good == next.Live.Digest)
		garbage = r.garbage(s.name, next.digests(), dropped)
		next.Live, next.Target, next.Wave, next.Verify = rev, nil, 0, false
	} else {
		next.Target, next.Wave = rev, wave+1
	}
	given, err := r.handedOver(ops, wave)
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
		if err := write(t, ops, wave); err != nil {
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
