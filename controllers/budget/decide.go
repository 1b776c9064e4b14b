package budget

import (
	"slices"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// decision is what to say.
type decision struct {
	// Statuses of the budgets, in their order.
	Statuses []specs.TokenBudgetStatus
	// News are events to tell, once the statuses are written.
	News   []news
	Result reconcile.Result
}

// news is an event of the budget with this index.
type news struct {
	budget          int
	reason, message string
}

// decide is the whole policy: pure.
func decide(o *observed) decision {
	var d decision
	for i, b := range o.Budgets {
		st := specs.TokenBudgetStatus{ObservedGeneration: b.Generation, AsOf: b.Status.AsOf, Conditions: slices.Clone(b.Status.Conditions)}
		report := o.Reports[b.Name]
		o.exceeded(b, &st)
		if report != nil {
			o.usage(b, report, &st)
			d.notify(o, i, report, &st)
			d.wake(o, b.Name, report)
		} else { // last known, and the conditions say that nothing is known now
			st.Limits, st.Accounts, st.TopSpenders, st.Notified = b.Status.Limits, b.Status.Accounts, b.Status.TopSpenders, b.Status.Notified
		}
		o.conditions(b, report, &st)
		o.date(b, &st)
		d.Statuses = append(d.Statuses, st)
	}
	return d
}

// notify decides which thresholds to tell of: each once in each window, the highest when several are reached at once.
func (d *decision) notify(o *observed, index int, report *ledger.BudgetReport, st *specs.TokenBudgetStatus) {
	b := o.Budgets[index]
	for i := range report.Accounts {
		a := &report.Accounts[i]
		for j := range a.Limits {
			l := &a.Limits[j]
			told := o.told(b, a.Principal, l)
			if reached := o.reached(b.Name, a.Principal, l); reached > told.Percent {
				reason := specs.ReasonBudgetNearLimit
				if o.exhausted(b.Name, a.Principal, l) {
					reason = specs.ReasonBudgetExhausted
				}
				told.Percent, told.At = reached, stamp(o.Now)
				d.News = append(d.News, news{index, reason, reachedText(b, a.Principal, l, reached)})
			}
			if told.Percent > 0 {
				st.Notified = append(st.Notified, told)
			}
		}
	}
}

// told is what was told of a limit in the window that goes on; of nothing its Percent is zero.
func (o *observed) told(b *specs.TokenBudget, principal string, l *ledger.LimitReport) specs.BudgetNotified {
	none := specs.BudgetNotified{Limit: l.Name, Principal: principal}
	if o.Forget[b.Name] {
		return none
	}
	for _, n := range b.Status.Notified {
		if n.Limit == l.Name && n.Principal == principal && o.sameWindow(b.Name, n, l) {
			return n
		}
	}
	return none
}

// sameWindow tells whether what was told still goes for the window that is now.
func (o *observed) sameWindow(budget string, n specs.BudgetNotified, l *ledger.LimitReport) bool {
	declared := o.Held.limit(budget, l.Name)
	switch {
	case declared == nil:
		return false
	case declared.Window.Sliding > 0:
		return o.Now.Sub(n.At.Time) < declared.Window.Sliding
	case declared.Window.Calendar != "":
		return !n.At.Time.Before(l.Since.Truncate(time.Second))
	}
	return o.reached(budget, n.Principal, l) > 0 // prepaid: as long as it is reached
}

// exceededFor is how long a limit counts as used up after a call that did not fit into it.
const exceededFor = time.Minute

// exhausted tells whether a limit has nothing left that a call could use: nothing at all, or so little that a call did not fit a moment ago. Calls
// at once come and go.
func (o *observed) exhausted(budget, principal string, l *ledger.LimitReport) bool {
	if l.Measure == ledger.Concurrency {
		return false
	}
	return l.Used >= l.Amount || o.exceeds(budget, principal, l.Name) > 0
}

// exceeds is how long a limit counts as used up from now on, because a call did not fit.
func (o *observed) exceeds(budget, principal, limit string) time.Duration {
	c, ok := o.Exceeded[control.BudgetAccount{Budget: budget, Limit: limit, Principal: principal}]
	if !ok || c.Last.After(o.Now) && c.Last.Sub(o.Now) > exceededFor {
		return 0
	}
	return max(0, c.Last.Add(exceededFor).Sub(o.Now))
}

// reached is the highest threshold that a limit has reached, in percent; being used up is 100. Zero is none.
func (o *observed) reached(budget, principal string, l *ledger.LimitReport) int32 {
	switch {
	case o.exhausted(budget, principal, l):
		return 100
	case l.Measure == ledger.Concurrency || len(l.Thresholds) == 0:
		return 0
	}
	return l.Thresholds[len(l.Thresholds)-1]
}

// burnStep is how often the rate of the last hour is looked at while there is one.
const burnStep = time.Minute

// least is the shortest time until another look.
const least = time.Second

// wake asks for another look when a window that something was used in begins anew or moves on, and while there is a rate.
func (d *decision) wake(o *observed, budget string, report *ledger.BudgetReport) {
	for i := range report.Accounts {
		for _, l := range report.Accounts[i].Limits {
			if t := o.exceeds(budget, report.Accounts[i].Principal, l.Name); t > 0 {
				d.after(t)
			}
			if l.Used > 0 && !l.Reset.IsZero() {
				d.after(l.Reset.Sub(o.Now))
			}
			if l.BurnPerHour > 0 {
				d.after(burnStep)
			}
		}
	}
}

func (d *decision) after(t time.Duration) {
	t = max(t, least)
	if r := &d.Result; r.RequeueAfter == 0 || t < r.RequeueAfter {
		r.RequeueAfter = t
	}
}
