package stack

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// ops are the writes that bring the objects in force to a set, in their order. The faults are those of documents that do not fit to what
// others wrote into the object.
func (r *Reconciler) ops(s *state, to *admit.Set, fates map[store.Key]fate) ([]op, []specs.Fault, error) {
	changes := r.changes(s, to)
	var ops []op
	var faults []specs.Fault
	for _, c := range changes {
		if c.New == nil {
			if o := r.end(s, c, fates[c.Key]); o != nil {
				ops = append(ops, *o)
			}
			continue
		}
		o, f, err := r.put(s, c)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot apply %s: %w", c.Key, err)
		}
		faults = append(faults, f...)
		if o != nil {
			ops = append(ops, *o)
		}
	}
	order(ops, to)
	return ops, faults, nil
}

// changes are the objects to look at: those that the sets have differently, and those that may have drifted from the set in force.
func (r *Reconciler) changes(s *state, to *admit.Set) []admit.Change {
	changes := admit.Diff(s.live, to)
	drift := r.drift(s)
	if len(drift) == 0 {
		return changes
	}
	there := make(map[store.Key]bool, len(changes))
	for _, c := range changes {
		there[c.Key] = true
	}
	for _, k := range drift {
		if e := to.Get(k); e != nil && !there[k] {
			changes = append(changes, admit.Change{Key: k, Old: s.live.Get(k), New: e})
		}
	}
	return changes
}

// end is the write that ends an object's life in the stack; nil when there is none to make.
func (r *Reconciler) end(s *state, c admit.Change, f fate) *op {
	live, ok := r.get(c.Key)
	if !ok || live.GetLabels()[specs.LabelStack] != s.name {
		return nil
	}
	switch f {
	case fateDelete, fateRename:
		return &op{key: c.Key, change: plan.Delete, old: live}
	case fateRelease:
		return &op{key: c.Key, change: plan.Update, old: live, new: released(live, filepath.Join(r.o.Root, filepath.FromSlash(c.Old.Dir()))), keep: true}
	}
	return nil
}

// put is the write that makes an object what its document says; nil when it is so already.
func (r *Reconciler) put(s *state, c admit.Change) (*op, []specs.Fault, error) {
	doc := c.New.Document()
	if doc == nil || doc.Object == nil {
		return nil, nil, fmt.Errorf("its document in %s cannot be read any more", c.New.Place())
	}
	live, exists := r.get(c.Key)
	if !exists {
		return &op{key: c.Key, change: plan.Create, new: created(doc, s.name), entry: c.New}, nil, nil
	}
	o := &op{key: c.Key, change: plan.Update, old: live, entry: c.New}
	var last *specs.Document
	switch owner := live.GetLabels()[specs.LabelStack]; {
	case owner == s.name && c.Old != nil:
		last = c.Old.Document()
	case owner == "":
		o.adopted = true
	case owner != s.name:
		o.from = owner
		if other := r.stacks[owner]; other != nil {
			if e := other.live.Get(c.Key); e != nil {
				last = e.Document()
			}
		}
	}
	next, faults, err := merged(last, doc, live, s.name)
	if err != nil {
		return nil, nil, err
	}
	if len(faults) > 0 {
		return nil, misfits(c.New, doc, faults), nil
	}
	o.new = next
	same, err := r.o.Client.PrepareUpdate(live, next)
	if err != nil || same == live {
		return nil, nil, err
	}
	return o, nil, nil
}

// misfits are faults of what the file declares together with what others wrote.
func misfits(e *admit.Entry, doc *specs.Document, list field.ErrorList) []specs.Fault {
	var out []specs.Fault
	for _, f := range list {
		line, column := doc.Position(f.Field)
		out = append(out, specs.Fault{File: e.Rel(), Line: line, Column: column, Field: f.Field,
			Message: specs.Message(f) + " (with what was written to the object through the API)"})
	}
	return out
}

// commit puts a set in force: wave by wave, each as one transaction, and with the last one the receipt that says so. What failed is found
// again by the next call: the target is kept with the first wave.
func (r *Reconciler) commit(ctx context.Context, s *state, to *admit.Set, ops []op, rev *specs.Revision) error {
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
		next, history := s.rec, s.rec.History
		var garbage []string
		if wave == last {
			dropped := next.remember(rev.Digest)
			garbage = r.garbage(s.name, next.History, dropped)
			next.Live, next.Target, next.Wave, next.Verify = rev, nil, 0, false
		} else {
			next.Target, next.Wave, next.History = rev, wave+1, history
		}
		given, err := r.handedOver(ops, wave)
		if err != nil {
			return err
		}
		_, err = r.o.Client.Txn(ctx, func(t *reconcile.ClientTx) error {
			for _, g := range given {
				if err := g.write(t); err != nil {
					return err
				}
			}
			for _, name := range garbage {
				t.DeleteBlob(revisionBucket, s.name+"/"+name)
			}
			for name, data := range blobs {
				t.PutBlob(revisionBucket, s.name+"/"+name, data)
			}
			if err := write(t, ops, wave); err != nil {
				return err
			}
			return next.save(t, s.name)
		})
		if err != nil {
			if s.rec.Target == nil {
				s.target = nil // nothing of it is in force
				r.publish()
			}
			return fmt.Errorf("cannot put revision %s in force: %w", short(rev.Digest), err)
		}
		s.rec, blobs = next, nil
		for _, g := range given {
			g.s.rec, g.s.live, g.s.verified = g.rec, g.live, -1
			r.dirty[g.s.name] = true
		}
	}
	r.settle(s, to)
	for i := range ops {
		s.verified += ops[i].delta()
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
