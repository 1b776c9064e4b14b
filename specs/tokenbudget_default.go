package specs

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultMaxWait is how long a call waits where onExceeded is Queue and says nothing.
const DefaultMaxWait = 10 * time.Second

// Default fills in what the budget leaves out.
func (o *TokenBudget) Default() {
	s := &o.Spec
	or(&s.Account, AccountShared)
	or(&made(&s.OnExceeded).Action, ExceededDeny)
	s.OnExceeded.setDefaults()
	for i := range s.Limits {
		l := &s.Limits[i]
		l.OnExceeded.setDefaults()
		if w := l.Window; w != nil && w.Calendar != "" {
			or(&w.TimeZone, "UTC")
		}
		for _, q := range []*resource.Quantity{l.Tokens, l.InputTokens, l.OutputTokens} {
			if q != nil {
				_ = q.String() // it writes down its text when first asked, and is read by many
			}
		}
	}
}

func (x *OnExceeded) setDefaults() {
	if x != nil && x.Action == ExceededQueue {
		orPointer(&x.MaxWait, metav1.Duration{Duration: DefaultMaxWait})
	}
}

// Measure is what a limit counts, by the name of its field, and how much of it: money in billionths. It is empty where there is none.
func (l *BudgetLimit) Measure() (name string, amount int64) {
	for _, m := range l.measures() {
		if m.set {
			return m.name, m.amount
		}
	}
	return "", 0
}

// Names of measures.
const (
	MeasureCost        = "cost"
	MeasureConcurrency = "concurrency"
	MeasureRequests    = "requests"
)

type measure struct {
	name   string
	set    bool
	amount int64
}

func (l *BudgetLimit) measures() []measure {
	quantity := func(name string, q *resource.Quantity) measure {
		if q == nil {
			return measure{name: name}
		}
		return measure{name, true, q.Value()}
	}
	number := func(name string, n *int64) measure {
		if n == nil {
			return measure{name: name}
		}
		return measure{name, true, *n}
	}
	cost, _ := ParseMoney(l.Cost)
	return []measure{quantity("tokens", l.Tokens), quantity("inputTokens", l.InputTokens), quantity("outputTokens", l.OutputTokens),
		{MeasureCost, l.Cost != "", cost}, number(MeasureRequests, l.Requests), number(MeasureConcurrency, l.Concurrency)}
}

// Exceeded is what happens to a call that does not fit into a limit: what the limit says, or the budget.
func (s *TokenBudgetSpec) Exceeded(l *BudgetLimit) OnExceeded {
	switch {
	case l.OnExceeded != nil:
		return *l.OnExceeded
	case s.OnExceeded != nil:
		return *s.OnExceeded
	}
	return OnExceeded{Action: ExceededDeny}
}

// Currency of the limits of cost; empty where there is none.
func (s *TokenBudgetSpec) Currency() string {
	for i := range s.Limits {
		if s.Limits[i].Cost != "" {
			return s.Limits[i].Currency
		}
	}
	return ""
}

// References to its parent, and to the principals, gates and routes that it names.
func (o *TokenBudget) References() []Ref {
	var refs []Ref
	s := &o.Spec
	add := func(at, kind, name string) {
		if name != "" {
			refs = append(refs, Ref{FromField: at, Kind: kind, Name: name})
		}
	}
	add("spec.parent", "TokenBudget", s.Parent)
	refs = append(refs, s.Principals.references()...)
	if s.Scope != nil {
		for i, n := range s.Scope.Gates {
			add(fmt.Sprintf("spec.scope.gates[%d]", i), "Gate", n)
		}
		for i, n := range s.Scope.Routes {
			add(fmt.Sprintf("spec.scope.routes[%d]", i), "Route", n)
		}
	}
	for i := range s.Limits {
		if x := s.Limits[i].OnExceeded; x != nil {
			add(fmt.Sprintf("spec.limits[%d].onExceeded.route", i), "Route", x.Route)
		}
	}
	if s.OnExceeded != nil {
		add("spec.onExceeded.route", "Route", s.OnExceeded.Route)
	}
	return refs
}
