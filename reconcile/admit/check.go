package admit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Admit tells all that is wrong with a set, in the order of files and lines; a set without faults may come into force. base is a set of
// the same stack that was admitted before (nil: none): what it has in the same way is not looked at again.
func Admit(set, base *Set, w World) []specs.Fault {
	if set == nil {
		set = NewSet(nil)
	}
	c := &check{set: set, base: base, w: w}
	for _, f := range set.bad {
		c.faults = append(c.faults, f.Faults...)
	}
	c.duplicates()
	gone := map[store.Key]bool{}
	var changed []store.Key
	for _, d := range Diff(base, set) {
		switch {
		case d.New == nil:
			gone[d.Key] = true
		case !d.New.Faulty:
			changed = append(changed, d.Key)
			c.document(d.New)
		}
	}
	c.needed(gone, changed)
	c.referring(changed)
	c.sealed()
	c.budgets(changed)
	c.memory(changed)
	g := graph{get: c.refs}
	for _, cycle := range g.cycles(changed) {
		c.cycle(cycle, &g)
	}
	slices.SortStableFunc(c.faults, func(a, b specs.Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Field, b.Field))
	})
	return slices.Compact(c.faults)
}

type check struct {
	set, base *Set
	w         World
	faults    []specs.Fault
	names     map[string][]string
	routesOf  map[*Set][]*Entry
}

func (c *check) add(f specs.Fault) { c.faults = append(c.faults, f) }

// duplicates are told at the later place; both places are named.
func (c *check) duplicates() {
	for _, k := range sortedKeys(c.set.again) {
		all := append([]*Entry{c.set.byKey[k]}, c.set.again[k]...)
		slices.SortFunc(all, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.Rel(), b.Rel()), a.Line-b.Line) })
		for _, e := range all[1:] {
			c.add(e.fault("metadata.name", "%s is declared in %s already", words(k), all[0].Place()))
		}
	}
}

// document checks one document that is new or changed.
func (c *check) document(e *Entry) {
	k := e.Key()
	for _, name := range sortedNames(c.w.Others) {
		if other := c.w.Others[name].Get(k); other != nil && c.w.newcomer(name, k, k) {
			c.add(e.fault("metadata.name", "%s is declared by stack/%s already, in %s", words(k), name, other.Place()))
		}
	}
	for _, r := range e.Refs {
		if to := (store.Key{Kind: r.Kind, Name: r.Name}); !c.resolves(to) {
			c.add(e.fault(r.FromField, "no %s %q%s", strings.ToLower(r.Kind), r.Name, specs.DidYouMean(r.Name, c.namesOf(r.Kind))))
		}
	}
	for _, p := range e.Ports {
		c.port(e, p)
	}
	c.fit(e)
	if e.Kind == "Route" {
		c.route(e)
	}
	if e.RenamedFrom != "" {
		c.renamed(e)
	}
}

// resolves tells whether a reference leads somewhere. What a file with faults declared before counts: the file tells its own faults.
func (c *check) resolves(k store.Key) bool {
	if c.set.Get(k) != nil {
		return true
	}
	if old := c.base.Get(k); old != nil {
		return c.set.bad[old.Rel()] != nil || c.declaredElsewhere(k)
	}
	return c.w.resolves(k)
}

// declaredElsewhere tells whether another stack declares what this one had.
func (c *check) declaredElsewhere(k store.Key) bool {
	for _, s := range c.w.Others {
		if s.Get(k) != nil {
			return true
		}
	}
	return false
}

func (c *check) namesOf(kind string) []string {
	if c.names == nil {
		c.names = map[string][]string{}
	}
	if c.names[kind] == nil {
		c.names[kind] = c.w.names(c.set, kind)
	}
	return c.names[kind]
}

// port checks a fixed port against every other document and object that fixes it.
func (c *check) port(e *Entry, p specs.FixedPort) {
	for _, other := range c.set.users(p.Number) {
		if other.Key() != e.Key() && p.ClashesAny(other.Ports) && c.second(e, other) {
			c.add(e.fault(p.Field, "%s is the %s of %s, in %s", p, p.Word(), words(other.Key()), other.Place()))
			return
		}
	}
	for _, name := range sortedNames(c.w.Others) {
		for _, other := range c.w.Others[name].users(p.Number) {
			if other.Key() != e.Key() && p.ClashesAny(other.Ports) && c.w.newcomer(name, e.Key(), other.Key()) {
				c.add(e.fault(p.Field, "%s is the %s of %s of stack/%s, in %s", p, p.Word(), words(other.Key()), name, other.Place()))
				return
			}
		}
	}
	for _, kind := range specs.PortKinds {
		for _, o := range c.w.List(kind) {
			k := store.Key{Kind: kind, Name: o.GetName()}
			if o.GetLabels()[specs.LabelStack] == "" && c.set.Get(k) == nil && p.ClashesAny(specs.FixedPorts(o)) {
				c.add(e.fault(p.Field, "%s is the %s of %s, which was made through the API", p, p.Word(), words(k)))
				return
			}
		}
	}
}

// second tells whether a document comes after another one of the set to what both claim, so that it is the one with the fault.
func (c *check) second(e, other *Entry) bool {
	return other != e && (cmp.Or(cmp.Compare(other.Rel(), e.Rel()), other.Line-e.Line) < 0 || c.unchanged(other))
}

func sortedNames(sets map[string]*Set) []string { return slices.Sorted(maps.Keys(sets)) }

// unchanged tells whether base has the document too, so that it is not checked itself.
func (c *check) unchanged(e *Entry) bool { return same(c.base.Get(e.Key()), e) }

func (c *check) renamed(e *Entry) {
	old := store.Key{Kind: e.Kind, Name: e.RenamedFrom}
	at := "metadata.annotations[" + specs.AnnotationRenamedFrom + "]"
	if still := c.set.Get(old); still != nil {
		c.add(e.fault(at, "%s is still declared, in %s", words(old), still.Place()))
	}
	for k, other := range c.set.byKey {
		if k.Kind == e.Kind && other != e && other.RenamedFrom == e.RenamedFrom && (other.Rel() < e.Rel() || other.Rel() == e.Rel() && other.Line < e.Line) {
			c.add(e.fault(at, "%s takes the place of %s already, in %s", words(k), words(old), other.Place()))
		}
	}
}

// needed tells which documents refer to one that went: of this set, and of other stacks.
func (c *check) needed(gone map[store.Key]bool, changed []store.Key) {
	for k := range gone {
		if c.resolves(k) {
			delete(gone, k)
		}
	}
	if len(gone) == 0 {
		return
	}
	checked := make(map[store.Key]bool, len(changed))
	for _, k := range changed {
		checked[k] = true
	}
	for k, e := range c.set.byKey {
		for _, r := range e.Refs {
			if to := (store.Key{Kind: r.Kind, Name: r.Name}); gone[to] && !checked[k] {
				c.add(e.fault(r.FromField, "no %s %q: it was removed from %s", strings.ToLower(r.Kind), r.Name, c.base.Get(to).Rel()))
			}
		}
	}
	for name, s := range c.w.Others {
		for k, e := range s.byKey {
			for _, r := range e.Refs {
				to := store.Key{Kind: r.Kind, Name: r.Name}
				if !gone[to] {
					continue
				}
				if stack, ok := c.w.holder(to); ok && stack != c.w.Stack {
					continue
				}
				c.add(specs.Fault{File: c.base.Get(to).Rel(), Message: words(to) + " was removed, but " + words(k) + " of stack/" + name + " needs it, in " + e.Place()})
			}
		}
	}
}

// referring checks the documents that refer to one that changed: it may have lost what they need of it.
func (c *check) referring(changed []store.Key) {
	if c.base == nil || len(changed) == 0 {
		return
	}
	is := make(map[store.Key]bool, len(changed))
	for _, k := range changed {
		is[k] = true
	}
	for k, e := range c.set.byKey {
		if !is[k] && !e.Faulty && slices.ContainsFunc(e.Refs, func(r specs.Ref) bool {
			return is[store.Key{Kind: r.Kind, Name: r.Name}] && (e.Kind != "Process" || r.Kind == "Principal")
		}) {
			c.fit(e)
		}
	}
}

// refs of an object under the set, or of one that is in force elsewhere.
func (c *check) refs(k store.Key) []specs.Ref {
	if e := c.set.Get(k); e != nil {
		return e.Refs
	}
	for _, s := range c.w.Others {
		if e := s.Get(k); e != nil {
			return e.Refs
		}
	}
	return c.w.refs(k)
}

func (c *check) cycle(cycle []store.Key, g *graph) {
	e := c.set.Get(cycle[0])
	for i := range cycle { // the first that this set declares
		if e = c.set.Get(cycle[i]); e != nil {
			cycle = append(slices.Clone(cycle[i:]), cycle[:i]...)
			break
		}
	}
	if e != nil {
		c.add(e.fault(g.field(cycle), "%s", cycleText(cycle)))
	}
}
