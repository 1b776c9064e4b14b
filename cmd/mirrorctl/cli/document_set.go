package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"mirroros.dev/mirroros/specs"
)

// documentKey is kind and name.
type documentKey struct{ kind, name string }

// String is kind/name as people write it.
func (k documentKey) String() string { return strings.ToLower(k.kind) + "/" + k.name }

func keyOf(d *specs.Document) documentKey { return documentKey{d.Kind, d.Name} }

// documentSet is what several files declare together. It finds what is wrong between them, in the operator's words.
type documentSet struct {
	docs  []*specs.Document
	first map[documentKey]*specs.Document
}

func newDocumentSet(docs []*specs.Document) *documentSet {
	s := &documentSet{docs: docs, first: map[documentKey]*specs.Document{}}
	for _, d := range docs {
		if s.first[keyOf(d)] == nil {
			s.first[keyOf(d)] = d
		}
	}
	return s
}

// faults between documents: duplicates, ports used twice, dependencies that go in a circle, what does not fit.
func (s *documentSet) faults() []specs.Fault {
	all := s.objects()
	return slices.Concat(s.duplicates(), s.ports(), s.cycles(), s.fits(), s.misfits(specs.BudgetMisfits(specs.OfType[*specs.TokenBudget](all), specs.OfType[*specs.Route](all))))
}

// warnings of the documents; whole says that there is nothing but them.
func (s *documentSet) warnings(whole bool) []specs.Fault {
	all := specs.Warnings(s.objects())
	if !whole {
		all = slices.DeleteFunc(all, func(m specs.Misfit) bool { return m.Sites[0].Kind == "Principal" })
	}
	return s.misfits(all)
}

// objects that are declared, each once.
func (s *documentSet) objects() (out []specs.Object) {
	for _, d := range s.docs {
		if d.Object != nil && s.first[keyOf(d)] == d {
			out = append(out, d.Object)
		}
	}
	return out
}

// misfits at the best of their places.
func (s *documentSet) misfits(all []specs.Misfit) (out []specs.Fault) {
	for _, m := range all {
		at := m.Sites[0]
		out = append(out, faultAt(s.first[documentKey{at.Kind, at.Name}], at.Field, "%s", m.Message))
	}
	return out
}

func faultAt(d *specs.Document, field, format string, args ...any) specs.Fault {
	line, column := d.Position(field)
	return specs.Fault{File: d.File, Line: line, Column: column, Field: field, Message: fmt.Sprintf(format, args...)}
}

func place(d *specs.Document) string { return fmt.Sprintf("%s:%d", d.File, d.Line) }

func (s *documentSet) duplicates() (out []specs.Fault) {
	for _, d := range s.docs {
		if first := s.first[keyOf(d)]; first != d && d.Kind != "" && d.Name != "" {
			out = append(out, faultAt(d, "metadata.name", "%s is declared in %s already", keyOf(d), place(first)))
		}
	}
	return out
}

func (s *documentSet) ports() (out []specs.Fault) {
	type user struct {
		d *specs.Document
		p specs.FixedPort
	}
	users := map[int32][]user{}
	for _, d := range s.docs {
		if d.Object == nil {
			continue
		}
		for _, p := range specs.FixedPorts(d.Object) {
			i := slices.IndexFunc(users[p.Number], func(o user) bool { return keyOf(o.d) != keyOf(d) && p.Clashes(o.p) })
			if i >= 0 {
				other := users[p.Number][i].d
				out = append(out, faultAt(d, p.Field, "%s is the %s of %s, in %s", p, p.Word(), keyOf(other), place(other)))
				continue
			}
			users[p.Number] = append(users[p.Number], user{d, p})
		}
	}
	return out
}

// fits: what does not fit between an object and those that it refers to, and between two routes.
func (s *documentSet) fits() (out []specs.Fault) {
	find := func(kind, name string) specs.Object {
		if d := s.first[documentKey{kind, name}]; d != nil {
			return d.Object
		}
		return nil
	}
	var routes []*specs.Document
	for _, d := range s.docs {
		if d.Object == nil || s.first[keyOf(d)] != d {
			continue
		}
		out = append(out, s.misfits(specs.Fits(d.Object, find))...)
		r, ok := d.Object.(*specs.Route)
		if !ok {
			continue
		}
		for _, other := range routes {
			if field, text := specs.Rivals(r, other.Object.(*specs.Route)); field != "" {
				out = append(out, faultAt(d, field, text, keyOf(other).String()+", in "+place(other)))
				break
			}
		}
		routes = append(routes, d)
	}
	return out
}

// unresolved references: to objects that no document declares.
func (s *documentSet) unresolved() (out []specs.Fault) {
	for _, d := range s.docs {
		if d.Object == nil {
			continue
		}
		for _, r := range specs.References(d.Object) {
			if s.first[documentKey{r.Kind, r.Name}] == nil {
				out = append(out, faultAt(d, r.FromField, "no %s %q%s", strings.ToLower(r.Kind), r.Name, specs.DidYouMean(r.Name, s.names(r.Kind))))
			}
		}
	}
	return out
}

func (s *documentSet) names(kind string) (out []string) {
	for k := range s.first {
		if k.kind == kind {
			out = append(out, k.name)
		}
	}
	slices.Sort(out)
	return out
}

// cycles finds each circle of references once, at the reference that closes it.
func (s *documentSet) cycles() (out []specs.Fault) {
	const visiting, done = 1, 2
	state := map[documentKey]int{}
	var path []documentKey
	var visit func(documentKey)
	visit = func(k documentKey) {
		d := s.first[k]
		if d == nil || d.Object == nil {
			return
		}
		state[k] = visiting
		path = append(path, k)
		for _, r := range specs.References(d.Object) {
			switch to := (documentKey{r.Kind, r.Name}); state[to] {
			case visiting:
				var names []string
				for _, at := range path[slices.Index(path, to):] {
					names = append(names, at.name)
				}
				out = append(out, faultAt(d, r.FromField, "depends on itself: %s -> %s", strings.Join(names, " -> "), to.name))
			case 0:
				visit(to)
			}
		}
		path = path[:len(path)-1]
		state[k] = done
	}
	for _, d := range s.docs {
		if state[keyOf(d)] == 0 {
			visit(keyOf(d))
		}
	}
	return out
}

// sortFaults by file and place.
func sortFaults(faults []specs.Fault) {
	slices.SortStableFunc(faults, func(a, b specs.Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column, cmp.Compare(a.Field, b.Field))
	})
}
