package stack

import (
	"cmp"
	"slices"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// op is one write of an object.
type op struct {
	key    store.Key
	change plan.Change // None writes nothing: see carried
	// old and new object; nil where there is none.
	old, new specs.Object
	// entry of the document that is put in force; nil when one went.
	entry *admit.Entry
	// keep: the document went and the object stays.
	keep bool
	// from is the stack that it is taken over from; adopted: it was made through the API before.
	from    string
	adopted bool
	wave    int
}

// order sorts the writes into waves, numbered from 0 without gaps: an object comes after the changed objects that it refers to, directly or
// through others, and then by its annotation. What goes is in the last wave, what refers to it first; a rename is one transaction.
func order(ops []op, target *admit.Set) {
	changed := map[store.Key]bool{}
	for i := range ops {
		changed[ops[i].key] = ops[i].entry != nil
	}
	d := depths{set: target, changed: changed, known: map[store.Key]int{}}
	type place struct{ depth, wave int }
	at := func(o *op) place { return place{d.of(o.key), o.entry.Wave} }
	var places []place
	for i := range ops {
		if ops[i].entry != nil {
			places = append(places, at(&ops[i]))
		}
	}
	byPlace := func(a, b place) int { return cmp.Or(a.depth-b.depth, cmp.Compare(a.wave, b.wave)) }
	slices.SortFunc(places, byPlace)
	places = slices.Compact(places)
	for i := range ops {
		if ops[i].entry == nil {
			ops[i].wave = max(len(places)-1, 0)
		} else {
			ops[i].wave, _ = slices.BinarySearchFunc(places, at(&ops[i]), byPlace)
		}
	}
	renamedTogether(ops)
	against := dependents(ops)
	slices.SortStableFunc(ops, func(a, b op) int {
		return cmp.Or(a.wave-b.wave, against[a.key]-against[b.key], cmp.Compare(a.key.Kind, b.key.Kind), cmp.Compare(a.key.Name, b.key.Name))
	})
}

// renamedTogether puts the end of an object into the wave of the one that takes its place.
func renamedTogether(ops []op) {
	wave := map[store.Key]int{}
	for i := range ops {
		if e := ops[i].entry; e != nil && e.RenamedFrom != "" {
			wave[store.Key{Kind: e.Kind, Name: e.RenamedFrom}] = ops[i].wave
		}
	}
	for i := range ops {
		if w, ok := wave[ops[i].key]; ok && ops[i].entry == nil {
			ops[i].wave = w
		}
	}
}

// dependents orders removals: 1 and more, an object before those that it refers to; 0 for all that is no removal.
func dependents(ops []op) map[store.Key]int {
	gone := map[store.Key]specs.Object{}
	for i := range ops {
		if ops[i].entry == nil && ops[i].old != nil {
			gone[ops[i].key] = ops[i].old
		}
	}
	height := map[store.Key]int{}
	var visit func(k store.Key, n int, way int)
	visit = func(k store.Key, n, way int) {
		o := gone[k]
		if o == nil || height[k] >= n || way > len(gone) {
			return
		}
		height[k] = n
		for _, r := range specs.References(o) {
			visit(store.Key{Kind: r.Kind, Name: r.Name}, n+1, way+1)
		}
	}
	for k := range gone {
		visit(k, 1, 0)
	}
	return height
}

// depths counts the changed objects below each object.
type depths struct {
	set     *admit.Set
	changed map[store.Key]bool
	known   map[store.Key]int
}

// of is how many changed objects there are on the longest way down from k, without k itself.
func (d *depths) of(k store.Key) int {
	if n, ok := d.known[k]; ok {
		return n
	}
	d.known[k] = 0 // a circle, which admission refuses, must not be endless
	n := 0
	if e := d.set.Get(k); e != nil {
		for _, r := range e.Refs {
			to := store.Key{Kind: r.Kind, Name: r.Name}
			below := d.of(to)
			if d.changed[to] {
				below++
			}
			n = max(n, below)
		}
	}
	d.known[k] = n
	return n
}
