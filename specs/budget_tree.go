package specs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// budgetTree is budgets with what they are for. What names a parent that is not there, or itself in a circle, is told elsewhere and passed
// over here.
type budgetTree struct {
	budgets []*TokenBudget
	routes  []*Route
	byName  map[string]*TokenBudget
	byRoute map[string]*Route
	below   map[string][]*TokenBudget
}

func newBudgetTree(budgets []*TokenBudget, routes []*Route) *budgetTree {
	t := &budgetTree{budgets: slices.Clone(budgets), routes: slices.Clone(routes), byName: map[string]*TokenBudget{}, byRoute: map[string]*Route{},
		below: map[string][]*TokenBudget{}}
	slices.SortFunc(t.budgets, func(a, b *TokenBudget) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(t.routes, func(a, b *Route) int { return cmp.Compare(a.Name, b.Name) })
	for _, b := range t.budgets {
		t.byName[b.Name] = b
		t.below[b.Spec.Parent] = append(t.below[b.Spec.Parent], b)
	}
	for _, r := range t.routes {
		t.byRoute[r.Name] = r
	}
	return t
}

// root of a budget, and how many budgets are above it.
func (t *budgetTree) root(b *TokenBudget) (root *TokenBudget, depth int) {
	for depth < len(t.budgets) {
		parent := t.byName[b.Spec.Parent]
		if parent == nil {
			break
		}
		b, depth = parent, depth+1
	}
	return b, depth
}

// way are the places by which budgets have to do with those above them: a change of any may be what made a misfit.
func (t *budgetTree) way(budgets ...*TokenBudget) []Site {
	var out []Site
	for _, b := range budgets {
		for range t.budgets {
			parent := t.byName[b.Spec.Parent]
			if parent == nil {
				break
			}
			out = append(out, budgetSite(b, "spec.parent"))
			b = parent
		}
	}
	return out
}

// covered is a route that a budget is for, and the budget that selects it: itself or one below.
type covered struct {
	route *Route
	by    *TokenBudget
}

// covers answers the routes whose calls are charged to a budget, each once.
func (t *budgetTree) covers(b *TokenBudget) []covered {
	var out []covered
	seen, visited := map[string]bool{}, map[string]bool{}
	var visit func(*TokenBudget)
	visit = func(b *TokenBudget) {
		if visited[b.Name] {
			return
		}
		visited[b.Name] = true
		for _, r := range t.routes {
			if !seen[r.Name] && b.Spec.Scope.Covers(r) {
				seen[r.Name] = true
				out = append(out, covered{r, b})
			}
		}
		for _, child := range t.below[b.Name] {
			visit(child)
		}
	}
	visit(b)
	return out
}

// Covers tells whether calls to a route may be in the scope.
func (s *BudgetScope) Covers(r *Route) bool {
	if s == nil {
		return true
	}
	return (len(s.Gates) == 0 || slices.Contains(s.Gates, r.Spec.Gate)) &&
		(len(s.Routes) == 0 || slices.Contains(s.Routes, r.Name)) &&
		(len(s.Models) == 0 || slices.ContainsFunc(s.Models, func(m string) bool {
			return slices.ContainsFunc(r.Spec.Match.Models, func(n string) bool { return overlap(m, n) })
		}))
}

// overlap tells whether some name fits both patterns, which may end in *.
func overlap(a, b string) bool {
	x, anyX := strings.CutSuffix(a, "*")
	y, anyY := strings.CutSuffix(b, "*")
	switch {
	case anyX && anyY:
		return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
	case anyX:
		return strings.HasPrefix(b, x)
	case anyY:
		return strings.HasPrefix(a, y)
	}
	return a == b
}

// costField is the first limit of cost of a budget; empty where there is none.
func costField(b *TokenBudget, field string) string {
	for i := range b.Spec.Limits {
		if b.Spec.Limits[i].Cost != "" {
			return fmt.Sprintf("spec.limits[%d].%s", i, field)
		}
	}
	return ""
}

// backendsOf a route with their fields.
func backendsOf(r *Route) (out []struct {
	field   string
	backend *RouteBackend
}) {
	for _, l := range []struct {
		field    string
		backends []RouteBackend
	}{{"spec.backends", r.Spec.Backends}, {"spec.fallbacks", r.Spec.Fallbacks}} {
		for i := range l.backends {
			out = append(out, struct {
				field   string
				backend *RouteBackend
			}{fmt.Sprintf("%s[%d]", l.field, i), &l.backends[i]})
		}
	}
	return out
}

// leaves tells whether requests to a route may leave the host.
func (s *RouteSpec) leaves() bool {
	remote := func(b RouteBackend) bool { return b.Remote }
	return s.Remote || slices.ContainsFunc(s.Backends, remote) || slices.ContainsFunc(s.Fallbacks, remote)
}
