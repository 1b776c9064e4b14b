package admit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// World is what else there is, while a set or an object is admitted.
type World struct {
	// Stack that is admitted; empty for an object through the API.
	Stack string
	// Locality that its routes are to have: as its document says, also where that is not in force yet.
	Locality specs.Locality
	// Memory of the host in bytes; 0 when it is not known, and then nothing is held to it.
	Memory int64
	// Others are the sets on disk of the other stacks, by name.
	Others map[string]*Set
	// Get and List answer objects in force.
	Get  func(store.Key) (specs.Object, bool)
	List func(kind string) []specs.Object
}

// holder is the stack that an object in force belongs to; ok is false when there is no such object.
func (w World) holder(k store.Key) (stack string, ok bool) {
	if o, found := w.Get(k); found {
		return o.GetLabels()[specs.LabelStack], true
	}
	return "", false
}

// newcomer tells whether this stack, rather than another, comes second to something that both claim. mine and theirs are the objects
// that the claim would stand on.
func (w World) newcomer(other string, mine, theirs store.Key) bool {
	switch stack, ok := w.holder(mine); {
	case ok && stack == w.Stack:
		return false
	case ok && mine == theirs && stack == other:
		return true
	}
	if stack, ok := w.holder(theirs); ok && stack == other {
		return true
	}
	return w.Stack > other
}

// resolves tells whether a reference to k leads to an object in force, or to a document of another stack.
func (w World) resolves(k store.Key) bool {
	if _, ok := w.Get(k); ok {
		return true
	}
	for _, s := range w.Others {
		if s.Get(k) != nil {
			return true
		}
	}
	return false
}

// names of objects of a kind, for suggestions.
func (w World) names(s *Set, kind string) []string {
	seen := map[string]bool{}
	for _, set := range append(slices.Collect(maps.Values(w.Others)), s) {
		if set != nil {
			for k := range set.byKey {
				if k.Kind == kind {
					seen[k.Name] = true
				}
			}
		}
	}
	for _, o := range w.List(kind) {
		seen[o.GetName()] = true
	}
	return slices.Collect(maps.Keys(seen))
}

// words is kind/name as people write it.
func words(k store.Key) string { return strings.ToLower(k.Kind) + "/" + k.Name }

// Object tells what keeps one object that is written through the API from fitting to what is in force: a port that another object fixes, a
// name that another route has, a port of a process that is not there, dependencies that go in a circle, a budget that does
// not fit to routes or other budgets, a name that a file declares for a stack that does not have it in force yet. A reference to what is not
// there is no error here: the object's ResolvedRefs condition tells.
func Object(o specs.Object, w World) field.ErrorList {
	kind := kindOf(o)
	k := store.Key{Kind: kind, Name: o.GetName()}
	live, exists := w.Get(k)
	var faults field.ErrorList
	if kind == "Stack" && !exists && k.Name != specs.DefaultStack {
		faults = append(faults, field.Forbidden(field.NewPath("kind"), "a Stack governs the directory of its file: write it into the manifest directory"))
	}
	if !exists {
		for _, name := range slices.Sorted(maps.Keys(w.Others)) {
			if e := w.Others[name].Get(k); e != nil {
				faults = append(faults, field.Forbidden(field.NewPath("metadata", "name"), declaredText(k, e.Place(), name)))
			}
		}
	}
	var had []specs.FixedPort
	if exists {
		had = specs.FixedPorts(live)
	}
	for _, p := range specs.FixedPorts(o) {
		if p.ClashesAny(had) {
			continue
		}
		if other := w.portHolder(p, k); other != "" {
			faults = append(faults, field.Invalid(field.NewPath(p.Field), p.Value(), "is the "+p.Word()+" of "+other))
		}
	}
	faults = append(faults, w.fits(o)...)
	faults = append(faults, w.budgetsFit(o, k)...)
	faults = append(faults, w.memory(o, live)...)
	g := graph{get: func(at store.Key) []specs.Ref {
		if at == k {
			return specs.References(o)
		}
		return w.refs(at)
	}}
	for _, c := range g.cycles([]store.Key{k}) {
		faults = append(faults, field.Forbidden(field.NewPath(g.field(c)), cycleText(c)))
	}
	return faults
}

func (w World) refs(k store.Key) []specs.Ref {
	if o, ok := w.Get(k); ok {
		return specs.References(o)
	}
	return nil
}

// fits tells what of an object does not fit to others that are there.
func (w World) fits(o specs.Object) field.ErrorList {
	var faults field.ErrorList
	get := func(kind, name string) specs.Object {
		found, ok := w.Get(store.Key{Kind: kind, Name: name})
		if !ok {
			return nil
		}
		return found
	}
	for _, m := range specs.Fits(o, get) {
		faults = append(faults, field.Forbidden(field.NewPath(m.Sites[0].Field), m.Message))
	}
	r, ok := o.(*specs.Route)
	if !ok {
		return faults
	}
	for _, other := range w.List("Route") {
		if x, ok := other.(*specs.Route); ok && x.Name != r.Name {
			if at, text := specs.Rivals(r, x); at != "" {
				return append(faults, field.Forbidden(field.NewPath(at), fmt.Sprintf(text, "route/"+x.Name)))
			}
		}
	}
	return faults
}

// portHolder is the object that fixes a port, in words, with its place where a file declares it; empty when there is none but not.
func (w World) portHolder(p specs.FixedPort, not store.Key) string {
	for _, name := range sortedNames(w.Others) {
		for _, e := range w.Others[name].users(p.Number) {
			if e.Key() != not && p.ClashesAny(e.Ports) {
				return fmt.Sprintf("%s of stack/%s, in %s", words(e.Key()), name, e.Place())
			}
		}
	}
	for _, kind := range specs.PortKinds {
		for _, o := range w.List(kind) {
			if k := (store.Key{Kind: kind, Name: o.GetName()}); k != not && p.ClashesAny(specs.FixedPorts(o)) {
				return words(k)
			}
		}
	}
	return ""
}

func kindOf(o specs.Object) string {
	if k := o.GetObjectKind().GroupVersionKind().Kind; k != "" {
		return k
	}
	o = specs.Copy(o)
	specs.Default(o)
	return o.GetObjectKind().GroupVersionKind().Kind
}
