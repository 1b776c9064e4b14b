package store

import (
	"cmp"
	"slices"
)

// entry is one object of a table. Its obj is replaced when the object changes, so that the order need not be touched.
type entry struct {
	ns, name string
	obj      Object
}

func compareEntries(a, b *entry) int {
	if c := cmp.Compare(a.ns, b.ns); c != 0 {
		return c
	}
	return cmp.Compare(a.name, b.name)
}

type nsName struct{ ns, name string }

// table holds the objects of one kind, by name and in order.
type table struct {
	byName map[nsName]*entry
	sorted []*entry
	// added are entries that are not in sorted yet; removed counts entries of sorted whose obj is nil.
	added   []*entry
	removed int
}

func newTable() *table { return &table{byName: map[nsName]*entry{}} }

func (t *table) get(k Key) Object {
	if t == nil {
		return nil
	}
	if e := t.byName[nsName{k.Namespace, k.Name}]; e != nil {
		return e.obj
	}
	return nil
}

// set puts o in place of what is there; nil removes it. settle must follow before the next list.
func (t *table) set(k Key, o Object) {
	n := nsName{k.Namespace, k.Name}
	e := t.byName[n]
	switch {
	case e == nil && o == nil:
	case e == nil:
		e = &entry{ns: k.Namespace, name: k.Name, obj: o}
		t.byName[n] = e
		t.added = append(t.added, e)
	case o == nil:
		e.obj = nil
		delete(t.byName, n)
		t.removed++
	default:
		e.obj = o
	}
}

// settle brings sorted up to date: O(1) when no object came or went, else one pass.
func (t *table) settle() {
	if len(t.added) == 0 && t.removed == 0 {
		return
	}
	gone := func(e *entry) bool { return e.obj == nil }
	if t.removed > 0 {
		t.sorted = slices.DeleteFunc(t.sorted, gone)
		t.added = slices.DeleteFunc(t.added, gone)
	}
	switch len(t.added) {
	case 0:
	case 1:
		i, _ := slices.BinarySearchFunc(t.sorted, t.added[0], compareEntries)
		t.sorted = slices.Insert(t.sorted, i, t.added[0])
	default:
		t.merge()
	}
	t.added, t.removed = nil, 0
}

// merge puts many added entries into sorted.
func (t *table) merge() {
	slices.SortFunc(t.added, compareEntries)
	out := make([]*entry, 0, len(t.sorted)+len(t.added))
	a, b := t.sorted, t.added
	for len(a) > 0 && len(b) > 0 {
		if compareEntries(a[0], b[0]) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	t.sorted = append(append(out, a...), b...)
}

// list appends the objects in order.
func (t *table) list(out []Object) []Object {
	if t == nil {
		return out
	}
	out = slices.Grow(out, len(t.sorted))
	for _, e := range t.sorted {
		out = append(out, e.obj)
	}
	return out
}
