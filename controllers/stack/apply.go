package stack

import (
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/validation/field"

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

// carried are the objects that a rollout under way has in force when another revision takes its place, that this one leaves alone and that are
// not ready yet: no writes, but what refers to them still waits.
func (r *Reconciler) carried(s *state, to *admit.Set, ops []op) (out []op) {
	if s.rec.Roll != nil && s.rec.Roll.To.Digest == to.Digest() {
		return nil
	}
	written := map[store.Key]bool{}
	for i := range ops {
		written[ops[i].key] = true
	}
	for k := range r.unjudged(s) {
		e, was := to.Get(k), s.live.Get(k)
		if live, ok := r.get(k); ok && e != nil && was != nil && e.Sum == was.Sum && !written[k] && !isReady(live) {
			out = append(out, op{key: k, change: plan.None, entry: e})
		}
	}
	return out
}

// unjudged are the objects that a rollout under way has in force.
func (r *Reconciler) unjudged(s *state) map[store.Key]specs.RolloutObject {
	if !r.undecided(s) {
		return nil
	}
	out := map[store.Key]specs.RolloutObject{}
	for _, w := range s.rec.Roll.Waves[:s.rec.Roll.InForce] {
		for _, o := range w.Objects {
			out[store.Key{Kind: o.Kind, Name: o.Name}] = o
		}
	}
	return out
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
