package specs

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
)

var tokenBudgetColumns = []Column{nameColumn,
	column("Limits", "string", "What may be used, and in which time.", func(b *TokenBudget) any {
		words := make([]string, len(b.Spec.Limits))
		for i := range b.Spec.Limits {
			words[i] = b.Spec.Limits[i].Short()
		}
		return cut(strings.Join(words, ", "), 60)
	}),
	column("Used", "string", "How much is used of the limit that has the least left.", func(b *TokenBudget) any {
		if t := b.Status.Tightest(); t != nil {
			return fmt.Sprintf("%s %d%%", t.Name, t.Percent())
		}
		return ReasonUnknown
	}),
	column("Status", "string", "Exhausted, NearLimit, or whether the gates hold to it.", func(b *TokenBudget) any {
		for _, typ := range []string{ConditionExhausted, ConditionNearLimit} {
			if meta.IsStatusConditionTrue(b.Status.Conditions, typ) {
				return typ
			}
		}
		return reasonOf(b.Status.Conditions, ConditionReady)
	}),
	ageColumn,
	wide(column("For", "string", "Whom it is for.", func(b *TokenBudget) any { return b.Spec.Principals.Short() })),
	wide(column("Account", "string", "Shared by all, or Each its own.", func(b *TokenBudget) any { return string(b.Spec.Account) })),
	wide(column("Parent", "string", "Budget that is charged with it.", func(b *TokenBudget) any { return b.Spec.Parent })),
	wide(column("Remaining", "string", "What that limit has left.", tightest(func(l *BudgetLimitStatus) any { return l.Remaining }))),
	wide(column("Resets", "string", "When that limit has more, in UTC.", tightest(func(l *BudgetLimitStatus) any { return dateOf(l.Reset) }))),
	wide(column("Runs Out", "string", "When a limit is used up if it goes on like this, in UTC.", func(b *TokenBudget) any {
		var first *BudgetLimitStatus
		for i := range b.Status.Limits {
			if l := &b.Status.Limits[i]; !l.RunsOut.IsZero() && (first == nil || l.RunsOut.Before(&first.RunsOut)) {
				first = l
			}
		}
		if first == nil {
			return nil
		}
		return dateOf(first.RunsOut)
	})),
	wide(column("Exceeded", "integer", "Calls that did not fit since the gate's process began.", func(b *TokenBudget) any { return b.Status.Exceeded })),
	wide(column("Last Exceeded", "date", "Time since a call did not fit.", func(b *TokenBudget) any { return dateOf(b.Status.LastExceeded) })),
	wide(column("Accounts", "integer", "Accounts that have spent something in a window now.", func(b *TokenBudget) any { return int64(b.Status.Accounts) })),
	wide(column("Why", "string", "Why the budget exists.", func(b *TokenBudget) any { return b.Spec.Why })),
}

func tightest(value func(*BudgetLimitStatus) any) func(*TokenBudget) any {
	return func(b *TokenBudget) any {
		if l := b.Status.Tightest(); l != nil {
			return value(l)
		}
		return nil
	}
}

// Tightest is the limit of which the largest part is used; nil when nothing is known.
func (s *TokenBudgetStatus) Tightest() *BudgetLimitStatus {
	var t *BudgetLimitStatus
	for i := range s.Limits {
		if l := &s.Limits[i]; t == nil || l.part() > t.part() {
			t = l
		}
	}
	return t
}

// Percent of the limit that is used, with what is reserved. It is 100 only when nothing is left.
func (l *BudgetLimitStatus) Percent() int { return int(l.part() * 100) }

func (l *BudgetLimitStatus) part() float64 {
	number := func(s string) float64 {
		n, _ := strconv.ParseFloat(s, 64) // the operator wrote it
		return n
	}
	limit := number(l.Limit)
	if limit <= 0 {
		return 0
	}
	return (number(l.Used) + number(l.Reserved)) / limit
}

// Short says in a few words what a limit allows, as 100k tokens/1h.
func (l *BudgetLimit) Short() string {
	name, amount := l.Measure()
	text := fmt.Sprintf("%d %s", amount, name)
	switch {
	case l.Tokens != nil:
		text = l.Tokens.String() + " " + name
	case l.InputTokens != nil:
		text = l.InputTokens.String() + " " + name
	case l.OutputTokens != nil:
		text = l.OutputTokens.String() + " " + name
	case l.Cost != "":
		text = l.Cost + " " + l.Currency
	}
	return text + l.Window.Short()
}

// Short says in a few words how long a window is, with a stroke before it; empty for none.
func (w *BudgetWindow) Short() string {
	switch {
	case w == nil:
		return ""
	case w.Sliding != nil:
		return "/" + ShortDuration(w.Sliding.Duration)
	}
	return "/" + strings.ToLower(string(w.Calendar))
}

// ShortDuration is a duration without the zeros at its end, as 1h.
func ShortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
