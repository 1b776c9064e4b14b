package stack

import (
	"maps"
	"slices"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// admitAll admits the sets that changed, those that were refused before, and those whose Stack documents have faults.
func (r *Reconciler) admitAll(e *edits) {
	for _, name := range slices.Sorted(maps.Keys(r.stacks)) {
		s := r.stacks[name]
		if s.disk == nil || s.disk == s.checked && s.locality == r.locality(s) && !s.refused && !r.hasFaults(s) {
			continue
		}
		was := s.faults
		r.admit(s)
		if e != nil || !slices.Equal(was, s.faults) {
			r.dirty[name] = true
		}
	}
}

func (r *Reconciler) hasFaults(s *state) bool {
	for rel := range r.faultsOf {
		if r.owner[rel] == s.name {
			return true
		}
	}
	return false
}

func (r *Reconciler) admit(s *state) {
	s.checked, s.locality, s.faults, s.misfit = s.disk, r.locality(s), nil, false
	for rel, faults := range r.faultsOf {
		if r.owner[rel] == s.name {
			s.faults = append(s.faults, faults...)
		}
	}
	if s.disk.Digest() != s.live.Digest() || s.locality == specs.LocalitySealed {
		base := s.admitted
		if base == nil {
			base = s.live
		}
		s.faults = append(s.faults, admit.Admit(s.disk, base, r.world(s))...)
	}
	s.refused = len(s.faults) > 0
	if !s.refused {
		s.admitted = s.disk
	}
}

// world is what there is beside a stack.
func (r *Reconciler) world(s *state) admit.World {
	others := map[string]*admit.Set{}
	for name, o := range r.stacks {
		if o != s {
			others[name] = o.disk
		}
	}
	return admit.World{Stack: s.name, Locality: r.locality(s), Memory: r.o.Memory, Others: others, Get: r.get, List: r.list}
}

// locality of a stack's routes: as its document says, else as it is in force.
func (r *Reconciler) locality(s *state) specs.Locality {
	if s.doc != nil {
		if d := s.doc.Document(); d != nil {
			if o, ok := d.Object.(*specs.Stack); ok {
				return o.Spec.Locality
			}
		}
	}
	if o, err := r.stackObject(s.name); err == nil {
		return o.Spec.Locality
	}
	return ""
}

// publish tells the index what is declared where, and who asks what is rolled out.
func (r *Reconciler) publish() {
	n := &admit.Indexed{Root: r.o.Root}
	for _, name := range slices.Sorted(maps.Keys(r.stacks)) {
		s := r.stacks[name]
		in := admit.IndexedStack{Name: name, Live: s.inForce(), Disk: s.disk, Document: s.document()}
		if o, err := r.stackObject(name); err == nil {
			in.Suspended = o.Spec.Suspend
		}
		n.Stacks = append(n.Stacks, in)
	}
	r.index.Set(n)
	rollouts := map[string]*specs.Rollout{}
	for name, s := range r.stacks {
		if s.rec.Roll != nil {
			rollouts[name] = s.rec.Roll.rollout()
		}
	}
	r.rollouts.Store(&rollouts)
}
