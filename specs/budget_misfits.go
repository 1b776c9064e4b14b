package specs

import (
	"fmt"
	"slices"
)

// BudgetMisfits tells what of budgets and routes that are to be in force together does not fit: currencies that differ within a tree, and
// from the prices of what it is for; money counted where there is no price; a downgrade to what is elsewhere, more remote or dearer; a scope that
// nothing can be in. That what they name is there, and no circle of parents, is looked at elsewhere.
func BudgetMisfits(budgets []*TokenBudget, routes []*Route) []Misfit {
	t := newBudgetTree(budgets, routes)
	out := t.currencies()
	seen := map[Site]bool{}
	for _, b := range t.budgets {
		for _, m := range slices.Concat(t.scope(b), t.prices(b), t.downgrades(b)) {
			if !seen[m.Sites[0]] { // one word about a backend is enough, however many budgets are over it
				out = append(out, m)
			}
			seen[m.Sites[0]] = true
		}
	}
	return out
}

func budgetSite(b *TokenBudget, field string) Site { return Site{"TokenBudget", b.Name, field} }
func routeSite(r *Route, field string) Site        { return Site{"Route", r.Name, field} }

// currencies tells of budgets whose currency is another than that of the first in their tree.
func (t *budgetTree) currencies() []Misfit {
	first, depths := map[string]*TokenBudget{}, map[string]int{}
	for _, b := range t.budgets {
		root, depth := t.root(b)
		if have := first[root.Name]; b.Spec.Currency() != "" && (have == nil || depth < depths[have.Name]) {
			first[root.Name], depths[b.Name] = b, depth
		}
	}
	var out []Misfit
	for _, b := range t.budgets {
		root, _ := t.root(b)
		f := first[root.Name]
		if c := b.Spec.Currency(); c != "" && c != f.Spec.Currency() {
			sites := []Site{budgetSite(b, costField(b, "currency")), budgetSite(f, costField(f, "currency"))}
			out = append(out, Misfit{append(sites, t.way(b, f)...),
				fmt.Sprintf("tokenbudget/%s counts %s and tokenbudget/%s in the same tree %s: a tree of budgets has one currency", b.Name, c, f.Name, f.Spec.Currency())})
		}
	}
	return out
}

// scope tells of routes that are named and cannot be meant.
func (t *budgetTree) scope(b *TokenBudget) []Misfit {
	s := b.Spec.Scope
	if s == nil {
		return nil
	}
	var out []Misfit
	served := len(s.Models) == 0 || len(s.Routes) == 0
	for i, name := range s.Routes {
		r := t.byRoute[name]
		if r == nil {
			served = true // told elsewhere
			continue
		}
		at := budgetSite(b, fmt.Sprintf("spec.scope.routes[%d]", i))
		if len(s.Gates) > 0 && !slices.Contains(s.Gates, r.Spec.Gate) {
			out = append(out, Misfit{[]Site{at, routeSite(r, "spec.gate")}, fmt.Sprintf("route/%s is of gate/%s, which spec.scope.gates of tokenbudget/%s does not name", name, r.Spec.Gate, b.Name)})
		}
		served = served || (&BudgetScope{Models: s.Models}).Covers(r)
		if b.Spec.Currency() != "" && r.Spec.Protocol.isTunnel() {
			out = append(out, Misfit{[]Site{at}, fmt.Sprintf("route/%s is of protocol %s: what passes it is not read, so no money is counted; budget requests or concurrency of it", name, r.Spec.Protocol)})
		}
	}
	if !served {
		out = append(out, Misfit{[]Site{budgetSite(b, "spec.scope.models")}, "none of the routes in the scope serves one of these models, so the budget would be for nothing"})
	}
	return out
}

// prices tells of backends without a price, or with one in another currency, that a budget of cost is over.
func (t *budgetTree) prices(b *TokenBudget) []Misfit {
	currency := b.Spec.Currency()
	if currency == "" {
		return nil
	}
	var out []Misfit
	for _, c := range t.covers(b) {
		through, by := "", t.way(c.by)
		if c.by != b {
			through = " through tokenbudget/" + c.by.Name
		}
		for _, at := range backendsOf(c.route) {
			switch p := c.route.Spec.Effective(at.backend); {
			case c.route.Spec.Protocol.isTunnel():
			case p == nil:
				out = append(out, Misfit{append([]Site{routeSite(c.route, at.field), budgetSite(b, costField(b, "cost"))}, by...),
					fmt.Sprintf("route/%s has no pricing for %s, and tokenbudget/%s counts its cost%s: write pricing: {free: true} or its prices, or narrow the budget's scope", c.route.Name, at.field, b.Name, through)})
			case !p.Free && p.Currency != currency:
				field := "spec.pricing.currency"
				if at.backend.Pricing != nil {
					field = at.field + ".pricing.currency"
				}
				out = append(out, Misfit{append([]Site{routeSite(c.route, field), budgetSite(b, costField(b, "currency"))}, by...),
					fmt.Sprintf("route/%s takes %s, and tokenbudget/%s counts its cost in %s%s: write the price in that currency", c.route.Name, p.Currency, b.Name, currency, through)})
			}
		}
	}
	return out
}

// prepaid warns of limits that end for good.
func (t *budgetTree) prepaid(b *TokenBudget) []Misfit {
	var out []Misfit
	for i := range b.Spec.Limits {
		if l := &b.Spec.Limits[i]; l.Window == nil && l.Concurrency == nil {
			out = append(out, Misfit{[]Site{budgetSite(b, fmt.Sprintf("spec.limits[%d]", i))},
				"has no window, so it never resets: what is used up stays so until somebody resets it"})
		}
	}
	return out
}

// leaks warns of tunnels below a budget of cost.
func (t *budgetTree) leaks(b *TokenBudget) []Misfit {
	if b.Spec.Currency() == "" {
		return nil
	}
	var out []Misfit
	for _, c := range t.covers(b) {
		if !c.route.Spec.Protocol.isTunnel() {
			continue
		}
		to := ""
		if c.route.Spec.leaves() {
			to = " to other hosts"
		}
		out = append(out, Misfit{[]Site{budgetSite(b, costField(b, "cost"))},
			fmt.Sprintf("route/%s is a tunnel%s: what passes it is not read, so what is spent through it is not counted; budget requests or concurrency of it, or narrow the scope to what can be counted", c.route.Name, to)})
	}
	return out
}
