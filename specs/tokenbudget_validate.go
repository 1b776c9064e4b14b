package specs

import (
	"fmt"
	"time"
	_ "time/tzdata" // a host without zones of its own has them too

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of a TokenBudget. What is more is a slip of the hand, and would overflow in a sum.
const (
	maxBudgetTokens      = 1_000_000_000_000_000
	maxBudgetCost        = 1_000_000_000
	maxBudgetRequests    = 1_000_000_000_000
	maxBudgetConcurrency = 1_000_000
	maxBudgetLimits      = 32
	maxThresholds        = 10
	maxSlidingWindow     = 744 * time.Hour
	maxMaxWait           = 10 * time.Minute
)

// Validate tells everything that is wrong in the budget by itself.
func (o *TokenBudget) Validate() field.ErrorList {
	o = Copy(o)
	o.Default()
	v := &budgetValidator{s: &o.Spec, spec: field.NewPath("spec")}
	if o.Spec.Parent != "" {
		v.name(v.spec.Child("parent"), o.Spec.Parent, "")
	}
	if p := o.Spec.Principals; p == nil {
		v.add(field.Required(v.spec.Child("principals"), "whom it is for: names, types, matchLabels, or all: true"))
	} else {
		v.selector(v.spec.Child("principals"), p)
	}
	v.oneOf(v.spec.Child("account"), string(o.Spec.Account), string(AccountShared), string(AccountEach))
	v.scope()
	v.limits()
	v.exceeded(v.spec.Child("onExceeded"), o.Spec.OnExceeded)
	v.thresholds()
	return v.faults
}

// budgetValidator gathers the faults of one budget.
type budgetValidator struct {
	checks
	s    *TokenBudgetSpec
	spec *field.Path
}

func (v *budgetValidator) scope() {
	s, at := v.s.Scope, v.spec.Child("scope")
	if s == nil {
		return
	}
	if len(s.Gates)+len(s.Routes)+len(s.Models) == 0 {
		v.add(field.Required(at, "gates, routes or models; without scope the budget is for every call"))
	}
	v.names(at.Child("gates"), s.Gates, func(at *field.Path, n string) { v.name(at, n, "the name of a Gate") })
	v.names(at.Child("routes"), s.Routes, func(at *field.Path, n string) { v.name(at, n, "the name of a Route") })
	v.names(at.Child("models"), s.Models, v.pattern)
}

func (v *budgetValidator) limits() {
	at := v.spec.Child("limits")
	switch n := len(v.s.Limits); {
	case n == 0:
		v.add(field.Required(at, "a list of {name: NAME, tokens: 100k, window: {sliding: 1h}}, or another measure"))
	case n > maxBudgetLimits:
		v.invalid(at, n, "must be at most %d limits", maxBudgetLimits)
		return
	}
	seen, first := map[string]bool{}, ""
	for i := range v.s.Limits {
		l, at := &v.s.Limits[i], at.Index(i)
		if seen[l.Name] && l.Name != "" {
			v.add(field.Duplicate(at.Child("name"), l.Name))
		} else {
			v.name(at.Child("name"), l.Name, "the name of the limit, which is told where it is reached")
		}
		seen[l.Name] = true
		v.limit(at, l)
		if l.Cost == "" || l.Currency == "" {
			continue
		}
		if first == "" {
			first = l.Currency
		} else if l.Currency != first {
			v.invalid(at.Child("currency"), l.Currency, "another limit of the budget is in %s: a tree of budgets has one currency", first)
		}
	}
}

// limit checks that there is exactly one measure, its amount, and what goes with it.
func (v *budgetValidator) limit(at *field.Path, l *BudgetLimit) {
	name := ""
	for _, m := range l.measures() {
		switch {
		case !m.set:
		case name != "":
			v.add(field.Forbidden(at.Child(m.name), fmt.Sprintf("the limit is of %s already: write a limit of its own", name)))
		default:
			name = m.name
			v.amount(at.Child(m.name), l, m)
		}
	}
	if name == "" {
		v.add(field.Required(at, "exactly one of tokens, inputTokens, outputTokens, cost, requests and concurrency"))
	}
	if currency := at.Child("currency"); name == MeasureCost {
		v.currency(currency, l.Currency)
	} else if l.Currency != "" && l.Cost == "" && name != "" {
		v.add(field.Forbidden(currency, "is for a limit of cost"))
	}
	if l.Window != nil && l.Concurrency != nil && name == MeasureConcurrency {
		v.add(field.Forbidden(at.Child("window"), "concurrency counts the calls that are under way now: it has no window"))
	} else if l.Window != nil {
		v.window(at.Child("window"), l.Window)
	}
	v.exceeded(at.Child("onExceeded"), l.OnExceeded)
}

func (v *budgetValidator) amount(at *field.Path, l *BudgetLimit, m measure) {
	whole := func(n, most int64) {
		if n < 1 || n > most {
			v.invalid(at, n, "must be from 1 to %d", most)
		}
	}
	switch m.name {
	case MeasureCost:
		v.money(at, l.Cost, 1, maxBudgetCost)
	case MeasureRequests:
		whole(m.amount, maxBudgetRequests)
	case MeasureConcurrency:
		whole(m.amount, maxBudgetConcurrency)
	case "inputTokens":
		v.tokens(at, l.InputTokens)
	case "outputTokens":
		v.tokens(at, l.OutputTokens)
	default:
		v.tokens(at, l.Tokens)
	}
}

// tokens checks an amount of tokens, which may be written as 100k.
func (v *budgetValidator) tokens(at *field.Path, q *resource.Quantity) {
	switch n := q.Value(); {
	case q.CmpInt64(maxBudgetTokens) > 0 || q.Sign() <= 0:
		v.invalid(at, q.String(), "must be from 1 to 1P (a quadrillion)")
	case q.CmpInt64(n) != 0:
		v.invalid(at, q.String(), "must be a whole number of tokens: m stands for thousandths, and a million is M")
	}
}

func (v *budgetValidator) window(at *field.Path, w *BudgetWindow) {
	zone := at.Child("timeZone")
	switch {
	case w.Sliding == nil && w.Calendar == "":
		v.add(field.Required(at, "sliding: DURATION, or calendar: Hour, Day, Week or Month"))
		return
	case w.Sliding != nil && w.Calendar != "":
		v.add(field.Forbidden(at.Child("calendar"), "the window is sliding already: write one of both"))
		return
	case w.Sliding != nil:
		v.duration(at.Child("sliding"), w.Sliding, metav1.Duration{Duration: time.Second}, metav1.Duration{Duration: maxSlidingWindow})
		if w.TimeZone != "" {
			v.add(field.Forbidden(zone, "is for a window of the calendar"))
		}
		return
	}
	v.oneOf(at.Child("calendar"), string(w.Calendar), string(CalendarHour), string(CalendarDay), string(CalendarWeek), string(CalendarMonth))
	if _, err := time.LoadLocation(w.TimeZone); err != nil || w.TimeZone == "Local" {
		v.invalid(zone, w.TimeZone, "is no time zone of the IANA database; write its name, as Europe/Berlin")
	}
}

func (v *budgetValidator) exceeded(at *field.Path, x *OnExceeded) {
	if x == nil {
		return
	}
	v.required(at.Child("action"), string(x.Action), string(ExceededDeny), string(ExceededQueue), string(ExceededDowngrade))
	if x.Action == "" {
		return // what else there may be depends on it
	}
	if x.Action == ExceededQueue {
		v.duration(at.Child("maxWait"), x.MaxWait, metav1.Duration{Duration: time.Second}, metav1.Duration{Duration: maxMaxWait})
	} else if x.MaxWait != nil {
		v.add(field.Forbidden(at.Child("maxWait"), "is for action Queue"))
	}
	if x.Action == ExceededDowngrade {
		v.name(at.Child("route"), x.Route, "the name of the Route that calls go to instead")
	} else if x.Route != "" {
		v.add(field.Forbidden(at.Child("route"), "is for action Downgrade"))
	}
}

func (v *budgetValidator) thresholds() {
	at, last := v.spec.Child("thresholds"), int32(0)
	if n := len(v.s.Thresholds); n > maxThresholds {
		v.invalid(at, n, "must be at most %d thresholds", maxThresholds)
		return
	}
	for i, t := range v.s.Thresholds {
		switch {
		case t < 1 || t > 100:
			v.invalid(at.Index(i), t, "must be from 1 to 100 percent")
			return
		case t <= last:
			v.invalid(at.Index(i), t, "must be more than the one before it, which is %d", last)
			return
		}
		last = t
	}
}
