package plan

import (
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// View is a look at objects. What it answers is shared and must not be changed.
type View interface {
	// Get answers the object of a kind and name, of kinds without namespaces.
	Get(kind, name string) (specs.Object, bool)
	// List answers the objects of a kind, by name.
	List(kind string) []specs.Object
}

// Live is the view of a store as it is now.
func Live(s *store.Store) View { return live{s} }

type live struct{ s *store.Store }

func (l live) Get(kind, name string) (specs.Object, bool) {
	return l.s.Get(store.Key{Kind: kind, Name: name})
}

func (l live) List(kind string) []specs.Object {
	list, _ := l.s.List(kind)
	out := make([]specs.Object, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

// Overlay is a view with some objects put in place of those below, and some taken away.
type Overlay struct {
	below   View
	objects map[key]specs.Object // nil is taken away
	dirs    map[key]string
}

type key struct{ kind, name string }

// NewOverlay makes an overlay that shows what is below.
func NewOverlay(below View) *Overlay {
	return &Overlay{below: below, objects: map[key]specs.Object{}, dirs: map[key]string{}}
}

// Put shows an object.
func (v *Overlay) Put(kind string, o specs.Object) { v.objects[key{kind, o.GetName()}] = o }

// Remove takes an object away.
func (v *Overlay) Remove(kind, name string) { v.objects[key{kind, name}] = nil }

// Dir is the directory that relative paths of a planned object start from; empty when its change does not say.
func (v *Overlay) Dir(kind, name string) string { return v.dirs[key{kind, name}] }

// Get answers an object as the overlay shows it.
func (v *Overlay) Get(kind, name string) (specs.Object, bool) {
	if o, ok := v.objects[key{kind, name}]; ok {
		return o, o != nil
	}
	return v.below.Get(kind, name)
}

// List answers the objects of a kind as the overlay shows them.
func (v *Overlay) List(kind string) []specs.Object {
	var out []specs.Object
	for _, o := range v.below.List(kind) {
		if _, over := v.objects[key{kind, o.GetName()}]; !over {
			out = append(out, o)
		}
	}
	for k, o := range v.objects {
		if k.kind == kind && o != nil {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b specs.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}
