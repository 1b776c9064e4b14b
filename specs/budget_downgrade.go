package specs

import "fmt"

// downgrades tells of routes that calls cannot go to instead.
func (t *budgetTree) downgrades(b *TokenBudget) []Misfit {
	var out []Misfit
	look := func(x *OnExceeded, field string) {
		if x == nil || x.Action != ExceededDowngrade || t.byRoute[x.Route] == nil {
			return
		}
		to := t.byRoute[x.Route]
		for _, c := range t.covers(b) {
			if c.route.Name == to.Name {
				continue
			}
			if why := downgradeFault(c.route, to); why != "" {
				out = append(out, Misfit{append([]Site{budgetSite(b, field), routeSite(to, "spec"), routeSite(c.route, "spec")}, t.way(c.by)...), why})
				return
			}
		}
	}
	for i := range b.Spec.Limits {
		look(b.Spec.Limits[i].OnExceeded, fmt.Sprintf("spec.limits[%d].onExceeded.route", i))
	}
	look(b.Spec.OnExceeded, "spec.onExceeded.route")
	return out
}

// downgradeFault says why a call to a route cannot go to another instead; empty when it can.
func downgradeFault(from, to *Route) string {
	a, b := &from.Spec, &to.Spec
	narrow := fmt.Sprintf("; the budget is for route/%s too: name its routes in spec.scope, or another route here", from.Name)
	switch {
	case a.Gate != b.Gate:
		return fmt.Sprintf("route/%s is of gate/%s, and a call to route/%s comes to gate/%s%s", to.Name, b.Gate, from.Name, a.Gate, narrow)
	case !b.Protocol.IsModel():
		return fmt.Sprintf("route/%s is of protocol %s: a downgrade is for protocols OpenAI and Anthropic", to.Name, b.Protocol)
	case a.Protocol != b.Protocol:
		return fmt.Sprintf("route/%s is of protocol %s, and a call to route/%s is of %s%s", to.Name, b.Protocol, from.Name, a.Protocol, narrow)
	case b.leaves() && !a.leaves():
		return fmt.Sprintf("route/%s leaves the host and route/%s does not: a downgrade goes to no more remote place", to.Name, from.Name)
	}
	return dearerFault(from, to)
}

// dearest is the most that a backend of a route may take.
type dearest struct {
	Prices
	currency string
	// unknown: a backend has no pricing, or they differ in their currencies. free: none takes anything.
	unknown, free bool
}

func dearestOf(r *Route) dearest {
	d := dearest{free: true}
	for _, at := range backendsOf(r) {
		p := r.Spec.Effective(at.backend)
		if p == nil || !p.Free && d.currency != "" && d.currency != p.Currency {
			d.unknown, d.free = true, false
			continue
		}
		if p.Free {
			continue
		}
		d.currency, d.free = p.Currency, false
		q := p.Prices()
		d.InputPerMillion, d.CachedInputPerMillion = max(d.InputPerMillion, q.InputPerMillion), max(d.CachedInputPerMillion, q.CachedInputPerMillion)
		d.OutputPerMillion, d.PerCall = max(d.OutputPerMillion, q.OutputPerMillion), max(d.PerCall, q.PerCall)
	}
	return d
}

// dearerFault says why a route may be dearer than another. Where neither has a price nobody asks.
func dearerFault(from, to *Route) string {
	a, b := dearestOf(from), dearestOf(to)
	switch {
	case b.free || a.unknown && b.unknown && a.currency == "" && b.currency == "":
		return ""
	case b.unknown:
		return fmt.Sprintf("nobody can tell whether route/%s is dearer than route/%s: it has a backend without pricing, or several currencies", to.Name, from.Name)
	case a.unknown:
		return fmt.Sprintf("nobody can tell whether route/%s is dearer than route/%s: that has a backend without pricing, or several currencies", to.Name, from.Name)
	case a.currency != b.currency && !a.free:
		return fmt.Sprintf("nobody can tell whether route/%s is dearer than route/%s: one takes %s and the other %s", to.Name, from.Name, b.currency, a.currency)
	}
	for _, p := range []struct {
		name       string
		less, more int64
	}{{"inputPerMillion", a.InputPerMillion, b.InputPerMillion}, {"cachedInputPerMillion", a.CachedInputPerMillion, b.CachedInputPerMillion},
		{"outputPerMillion", a.OutputPerMillion, b.OutputPerMillion}, {"perCall", a.PerCall, b.PerCall}} {
		if p.more > p.less {
			return fmt.Sprintf("route/%s is dearer than route/%s: its %s is %s and not at most %s", to.Name, from.Name, p.name, FormatMoney(p.more), FormatMoney(p.less))
		}
	}
	return ""
}
