package gate

import (
	"maps"
	"slices"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/specs"
)

// price is what a backend takes; nil is free. What has no price is under no budget of cost: admission sees to it.
func price(p *specs.Pricing) *proxy.Price {
	if p == nil || p.Free {
		return nil
	}
	q := p.Prices()
	return &proxy.Price{InputPerMillion: q.InputPerMillion, CachedPerMillion: q.CachedInputPerMillion, OutputPerMillion: q.OutputPerMillion, PerCall: q.PerCall}
}

// ledger is what calls are held to, but for its number.
func (o *observed) ledger(known []proxy.PrincipalEntry) ledger.Config {
	var c ledger.Config
	for _, b := range o.Budgets {
		c.Budgets = append(c.Budgets, o.budgetConfig(b))
	}
	if len(c.Budgets) == 0 {
		return c // nobody asks who is who
	}
	for _, p := range known {
		c.Principals = append(c.Principals, ledger.Principal{Name: p.Name, Type: p.Type, Labels: p.Labels})
	}
	return c
}

func (o *observed) budgetConfig(b *specs.TokenBudget) ledger.Budget {
	s := &b.Spec
	c := ledger.Budget{Name: b.Name, Each: s.Account == specs.AccountEach, Currency: s.Currency(), Thresholds: s.Thresholds}
	// A parent that went, while this was kept by hand, bounds nothing any more; the status says that it is missing.
	if slices.ContainsFunc(o.Budgets, func(p *specs.TokenBudget) bool { return p.Name == s.Parent }) {
		c.Parent = s.Parent
	}
	if p := s.Principals; p != nil {
		c.All, c.Names, c.Labels = p.All, p.Names, p.MatchLabels
		for _, t := range p.Types {
			c.Types = append(c.Types, string(t))
		}
	}
	if x := s.Scope; x != nil {
		c.Gates, c.Routes, c.Models = x.Gates, x.Routes, x.Models
	}
	for i := range s.Limits {
		l := &s.Limits[i]
		measure, amount := l.Measure()
		exceeded := s.Exceeded(l)
		n := ledger.Limit{Name: l.Name, Measure: ledger.Measure(measure), Amount: amount, OnExceeded: ledger.Action(exceeded.Action),
			MaxWait: duration(exceeded.MaxWait), Route: exceeded.Route}
		if w := l.Window; w != nil {
			n.Window = ledger.Window{Sliding: duration(w.Sliding), Calendar: ledger.Calendar(w.Calendar), Zone: w.TimeZone}
		}
		c.Limits = append(c.Limits, n)
	}
	return c
}

// Budgets are what calls are held to.
type Budgets struct {
	// Config as the file has it.
	Config ledger.Config
	// Generations of the TokenBudgets that it was made from, by name. One that is missing is not in it yet.
	Generations map[string]int64
	// Unwritten says why the file could not be written last; empty when it could.
	Unwritten string
}

// Budgets tells what calls are held to. What it answers is not changed afterwards.
func (r *Reconciler) Budgets() Budgets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.budgets
}

// keepBudgets remembers what the file has after a look, and tells who is concerned.
func (r *Reconciler) keepBudgets(o *observed, d *decision) {
	r.mu.Lock()
	now := Budgets{Config: r.docs.budgets, Generations: r.budgets.Generations, Unwritten: r.unwritten}
	if d.Ledger == nil {
		now.Generations = make(map[string]int64, len(o.Budgets))
		for _, b := range o.Budgets {
			now.Generations[b.Name] = b.Generation
		}
	}
	news := now.Config.Number != r.budgets.Config.Number || now.Unwritten != r.budgets.Unwritten || !maps.Equal(now.Generations, r.budgets.Generations)
	r.budgets = now
	r.mu.Unlock()
	if news {
		r.o.Budgeted()
	}
}
