package admit

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// isBudgeted tells whether objects of a kind can make budgets fit, or not.
func isBudgeted(k store.Key) bool { return k.Kind == "TokenBudget" || k.Kind == "Route" }

// budgets checks what of all budgets and routes that there will be does not fit, when one of this set changed. A fault is told at the best of
// its places that this set has.
func (c *check) budgets(changed []store.Key) {
	if !slices.ContainsFunc(changed, isBudgeted) {
		return
	}
	budgets := everywhere[*specs.TokenBudget](c, "TokenBudget")
	if len(budgets) == 0 {
		return
	}
	is := make(map[store.Key]bool, len(changed))
	for _, k := range changed {
		is[k] = true
	}
	for _, m := range specs.BudgetMisfits(budgets, everywhere[*specs.Route](c, "Route")) {
		if !slices.ContainsFunc(m.Sites, func(s specs.Site) bool { return is[siteKey(s)] }) {
			continue // what was admitted stays
		}
		for _, s := range m.Sites {
			if e := c.set.Get(siteKey(s)); e != nil {
				c.add(e.fault(s.Field, "%s", m.Message))
				break
			}
		}
	}
}

func siteKey(s specs.Site) store.Key { return store.Key{Kind: s.Kind, Name: s.Name} }

// everywhere are the objects of a kind that there will be: of the set, of the other stacks on disk, and those made through the API.
func everywhere[T specs.Object](c *check, kind string) []T {
	var out []T
	seen := map[string]bool{}
	add := func(name string, o specs.Object) {
		if t, ok := o.(T); ok && !seen[name] {
			seen[name] = true
			out = append(out, t)
		}
	}
	for _, s := range append([]*Set{c.set}, setsOf(c.w.Others)...) {
		if s == nil || s.kinds[kind] == 0 {
			continue
		}
		for k, e := range s.byKey {
			if k.Kind != kind || e.Faulty {
				continue
			}
			if d := e.Document(); d != nil && d.Object != nil {
				add(k.Name, d.Object)
			}
		}
	}
	for _, o := range c.w.List(kind) {
		if o.GetLabels()[specs.LabelStack] == "" {
			add(o.GetName(), o)
		}
	}
	return out
}

func setsOf(m map[string]*Set) []*Set {
	out := make([]*Set, 0, len(m))
	for _, name := range sortedNames(m) {
		out = append(out, m[name])
	}
	return out
}

// budgetsFit tells what of an object that is written through the API does not fit to the budgets and routes in force.
func (w World) budgetsFit(o specs.Object, k store.Key) field.ErrorList {
	if !isBudgeted(k) {
		return nil
	}
	all := []specs.Object{o}
	for _, kind := range []string{"TokenBudget", "Route"} {
		all = append(all, slices.DeleteFunc(w.List(kind), func(x specs.Object) bool { return kind == k.Kind && x.GetName() == k.Name })...)
	}
	var faults field.ErrorList
	for _, m := range specs.BudgetMisfits(specs.OfType[*specs.TokenBudget](all), specs.OfType[*specs.Route](all)) {
		if i := slices.IndexFunc(m.Sites, func(s specs.Site) bool { return siteKey(s) == k }); i >= 0 {
			faults = append(faults, field.Forbidden(field.NewPath(m.Sites[i].Field), m.Message))
		}
	}
	return faults
}
