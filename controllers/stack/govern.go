package stack

import (
	"maps"
	"path"
	"slices"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// resolve decides which Stacks govern, and tells whether that changed.
func (r *Reconciler) resolve() bool {
	g, accepted, faults := admit.Resolve(r.candidates())
	if o, ok := reconcile.Get[*specs.Stack](r.o.Client, specs.DefaultStack); ok && g["."].Stack == "" && len(o.Spec.Source.Exclude) > 0 {
		g["."] = specs.Governor{Stack: specs.DefaultStack, Dir: ".", Exclude: specs.NewMatcher(o.Spec.Source.Exclude)}
	}
	r.faultsOf = map[string][]specs.Fault{}
	for _, f := range faults {
		r.faultsOf[f.File] = append(r.faultsOf[f.File], f)
	}
	for _, s := range r.stacks {
		s.doc = accepted[s.name]
	}
	for name, doc := range accepted {
		r.state(name).doc = doc
	}
	changed := !maps.EqualFunc(g, r.govern, func(a, b specs.Governor) bool {
		return a.Stack == b.Stack && a.Exclude.Equal(b.Exclude)
	})
	r.govern = g
	return changed
}

// candidates are the Stacks that files declare, and those in force whose document cannot be told to be gone.
func (r *Reconciler) candidates() []admit.Candidate {
	var out []admit.Candidate
	named := map[string]bool{}
	for _, rel := range slices.Sorted(maps.Keys(r.stackFiles)) {
		for _, e := range r.stackFiles[rel].Stacks {
			c := admit.Candidate{Name: e.Name, Doc: e}
			named[e.Name] = true
			r.inForce(&c)
			out = append(out, c)
		}
	}
	r.waiting = false
	for name, s := range r.stacks {
		if s.rec.Doc == nil || named[name] {
			continue
		}
		if f := r.loaded[s.rec.Doc.File]; f == nil || len(f.Faults) == 0 {
			if r.quiet(r.snap) {
				continue // it is gone
			}
			r.waiting = true
		}
		c := admit.Candidate{Name: name}
		r.inForce(&c)
		out = append(out, c)
	}
	return out
}

// inForce fills in how the Stack is in force.
func (r *Reconciler) inForce(c *admit.Candidate) {
	s := r.stacks[c.Name]
	if s == nil || s.rec.Doc == nil {
		return
	}
	c.InForce, c.File, c.Path = true, s.rec.Doc.File, s.rec.Doc.Path
	if o, err := r.stackObject(c.Name); err == nil {
		c.Exclude = o.Spec.Source.Exclude
	}
}

// directory that a stack governs, below the manifest directory.
func (r *Reconciler) directory(name string) string {
	for dir, g := range r.govern {
		if g.Stack == name {
			return dir
		}
	}
	if s := r.stacks[name]; s != nil && s.rec.Doc != nil {
		return path.Join(path.Dir(s.rec.Doc.File), s.rec.Doc.Path)
	}
	return "."
}
