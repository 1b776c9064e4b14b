package ledger

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// BudgetReport is how a budget stands.
type BudgetReport struct {
	Name string
	// Accounts: the shared one; or of a budget with an account for each principal those that have used or reserved something in a window now, the one
	// with the least left of a limit (by its part) first.
	Accounts []AccountReport
	// TopSpenders in the window of the first limit, in its measure (of concurrency: calls of the last hour), the first first; at most ten.
	TopSpenders []Spender
}

// AccountReport is how an account stands.
type AccountReport struct {
	// Principal whose account it is; empty for a shared one.
	Principal string
	// Limits in the order of the budget.
	Limits []LimitReport
}

// LimitReport is how a limit of an account stands, in its measure; money in Nano.
type LimitReport struct {
	Name    string
	Measure Measure
	// Amount of the limit. Used in the window, Reserved by calls under way, Remaining without both, never negative.
	Amount, Used, Reserved, Remaining int64
	// Since is when a calendar window began, and so tells one from the next; zero for any other limit.
	Since time.Time
	// Reset is when a calendar window ends, or when the oldest part of a sliding one does; zero when there is none.
	Reset time.Time
	// BurnPerHour is what was used in the last hour, RunsOut when all is used up at that rate; zero when not before a calendar window ends.
	BurnPerHour int64
	RunsOut     time.Time
	// Thresholds of the budget that Used has reached, rising.
	Thresholds []int32
}

// Spender is who spent.
type Spender struct {
	Principal      string
	Used, Requests int64
}

const topSpenders = 10

// Report tells how the budgets of a config stand, in their order. Now is the wall clock. Configs of the same number, other than 0, are the same.
func (r *Reader) Report(c Config, now time.Time) ([]BudgetReport, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, back, err := r.present(c, now)
	if err != nil {
		return nil, err
	}
	defer back()
	s := b.spending()
	out := make([]BudgetReport, 0, len(b.accounts.budgets))
	for _, x := range b.accounts.budgets {
		rep := BudgetReport{Name: x.Name, TopSpenders: s.top(x)}
		for _, who := range slices.Sorted(maps.Keys(x.accounts)) {
			acc := x.accounts[who]
			if a, busy := b.reportAccount(acc, s.hour[acc]); busy || !x.Each {
				rep.Accounts = append(rep.Accounts, a)
			}
		}
		slices.SortStableFunc(rep.Accounts, func(p, q AccountReport) int { return cmp.Compare(p.least(), q.least()) })
		out = append(out, rep)
	}
	return out, nil
}

// least part that a limit has left.
func (a *AccountReport) least() float64 {
	least := math.Inf(1)
	for _, l := range a.Limits {
		part := 0.0
		if l.Amount > 0 {
			part = float64(l.Remaining) / float64(l.Amount)
		}
		least = min(least, part)
	}
	return least
}

func (b *book) reportAccount(acc *account, hour Amounts) (out AccountReport, busy bool) {
	out.Principal = acc.principal
	for i := range acc.counters {
		c, l := &acc.counters[i], &acc.budget.Limits[i]
		c.advance(b, acc)
		rep := LimitReport{Name: l.Name, Measure: l.Measure, Amount: l.Amount, Used: c.used, Reserved: acc.held.of(l.Measure)}
		rep.Remaining = max(0, l.Amount-add(rep.Used, rep.Reserved))
		busy = busy || rep.Used > 0 || rep.Reserved > 0
		now := time.Unix(0, b.now.wall)
		switch {
		case c.calendar():
			rep.Since, rep.Reset = time.Unix(0, c.from), time.Unix(0, c.to)
		case len(c.slots) > 0:
			rep.Reset = now.Add(time.Duration(c.expires(c.slots[0].at) - b.now.ledger))
		}
		if l.Measure != Concurrency {
			rep.BurnPerHour = hour.of(l.Measure)
			rep.RunsOut = runsOut(rep, now)
		}
		for _, t := range acc.budget.Thresholds {
			if l.Amount > 0 && float64(c.used) >= float64(l.Amount)*float64(t)/100 {
				rep.Thresholds = append(rep.Thresholds, t)
			}
		}
		out.Limits = append(out.Limits, rep)
	}
	return out, busy
}

// runsOut is when nothing remains, at the rate of the last hour. A sliding window gives back meanwhile what the rate has used, so it runs out only when
// that rate is more than it allows.
func runsOut(l LimitReport, now time.Time) time.Time {
	if l.BurnPerHour <= 0 || l.Remaining == 0 {
		return time.Time{}
	}
	hours := float64(l.Remaining) / float64(l.BurnPerHour)
	if hours > 24*365*100 {
		return time.Time{}
	}
	at := now.Add(time.Duration(hours * float64(time.Hour)))
	if !l.Reset.IsZero() && at.After(l.Reset) {
		return time.Time{}
	}
	return at
}

// spending is who spent what, from one look over the facts.
type spending struct {
	hour map[*account]Amounts            // used in the last hour
	by   map[*budget]map[string]*Amounts // by principal, in the window of the first limit
}

func (b *book) spending() spending {
	s := spending{map[*account]Amounts{}, map[*budget]map[string]*Amounts{}}
	hour := &window{Window: Window{Sliding: time.Hour}, width: int64(time.Hour) / slots}
	for _, k := range b.keys {
		if len(k.series) == 0 {
			continue
		}
		last := total(b.profile(k, hour, 0))
		for _, acc := range k.accounts {
			x := acc.budget
			reset, burnt := b.resets[x.Name], last
			if reset > 0 {
				burnt = total(b.profile(k, hour, reset))
			}
			h := s.hour[acc]
			h.plus(burnt)
			s.hour[acc] = h
			if len(x.windows) == 0 {
				continue
			}
			used := burnt
			if x.Limits[0].Measure != Concurrency {
				used = total(b.profile(k, x.windows[0], reset))
			}
			if used == (Amounts{}) {
				continue
			}
			if s.by[x] == nil {
				s.by[x] = map[string]*Amounts{}
			}
			if s.by[x][k.principal] == nil {
				s.by[x][k.principal] = &Amounts{}
			}
			s.by[x][k.principal].plus(used)
		}
	}
	return s
}

func total(of []portion) (sum Amounts) {
	for i := range of {
		sum.plus(of[i].Amounts)
	}
	return sum
}

func (s *spending) top(x *budget) []Spender {
	var out []Spender
	for who, a := range s.by[x] {
		out = append(out, Spender{who, a.of(x.Limits[0].Measure), a.Requests})
	}
	slices.SortFunc(out, func(p, q Spender) int {
		return cmp.Or(-cmp.Compare(p.Used, q.Used), cmp.Compare(p.Principal, q.Principal))
	})
	return out[:min(len(out), topSpenders)]
}
