package ledger_test

import (
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// model is a ledger that keeps every call, and adds up.
type model struct {
	config ledger.Config
	who    map[string]ledger.Principal // what principals are, those that the config knows or the log
	calls  []*spent
	resets map[string]int64
	now    int64 // of the ledger's clock
	wall   time.Time
}

// spent is what a call took, or while it is open may take.
type spent struct {
	*ledger.Request
	took     ledger.Amounts
	open     bool
	at, wall int64
}

func (m *model) selects(b *ledger.Budget, r *ledger.Request) bool {
	p := m.who[r.Principal]
	fits := func(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }
	named := b.All || len(b.Names) > 0 && slices.Contains(b.Names, r.Principal) || len(b.Types) > 0 && slices.Contains(b.Types, p.Type) || b.Labels["team"] != "" && b.Labels["team"] == p.Labels["team"]
	model := len(b.Models) == 0 || b.Models[0] == r.Model || strings.HasSuffix(b.Models[0], "*") && strings.HasPrefix(r.Model, strings.TrimSuffix(b.Models[0], "*"))
	return named && model && fits(b.Gates, r.Gate) && fits(b.Routes, r.Route)
}

// under tells whether a call falls under a budget, by itself or by one below.
func (m *model) under(b *ledger.Budget, r *ledger.Request) bool {
	return m.selects(b, r) || slices.ContainsFunc(m.config.Budgets, func(x ledger.Budget) bool { return x.Parent == b.Name && m.under(&x, r) })
}

func measured(m ledger.Measure, a ledger.Amounts) int64 {
	return map[ledger.Measure]int64{ledger.Tokens: a.Input + a.Output, ledger.InputTokens: a.Input, ledger.OutputTokens: a.Output,
		ledger.Cost: int64(a.Cost), ledger.Requests: a.Requests, ledger.Concurrency: a.Requests}[m]
}

// sum is what was used of a limit and is set aside in the account of a principal. Late counts what a window may give back late: by a sixtieth of it,
// and by the width of the facts.
func (m *model) sum(b *ledger.Budget, l *ledger.Limit, principal string, late bool) (used, held int64) {
	var from, to int64
	if l.Window.Calendar != "" {
		zone, _ := time.LoadLocation(l.Window.Zone)
		s, e := ledger.CalendarPeriod(l.Window.Calendar, m.wall.In(zone))
		from, to = s.UnixNano(), e.UnixNano()
	}
	for _, c := range m.calls {
		if b.Each && c.Principal != principal || !m.under(b, c.Request) {
			continue
		}
		n := measured(l.Measure, c.took)
		age, span := m.now-c.at, int64(l.Window.Sliding)
		if late {
			span += span/60 + 100
			switch {
			case age > int64(47*time.Hour):
				span += int64(900 * time.Second)
			case age > int64(59*time.Minute):
				span += int64(60 * time.Second)
			default:
				span += int64(time.Second)
			}
		}
		switch {
		case c.open:
			held += n
		case l.Measure == ledger.Concurrency, c.at <= m.resets[b.Name]:
		case l.Window.Sliding > 0 && age >= span:
		case l.Window.Calendar != "" && (c.wall < from || c.wall >= to):
		default:
			used += n
		}
	}
	return used, held
}

// room checks each limit that a call falls under, with what it would take.
func (m *model) room(r *ledger.Request, take ledger.Amounts, late bool, full func(b *ledger.Budget, l *ledger.Limit, over int64)) {
	for i := range m.config.Budgets {
		b := &m.config.Budgets[i]
		if !m.under(b, r) {
			continue
		}
		for j := range b.Limits {
			used, held := m.sum(b, &b.Limits[j], r.Principal, late)
			if n := measured(b.Limits[j].Measure, take); n > 0 && used+held+n > b.Limits[j].Amount {
				full(b, &b.Limits[j], used+held+n-b.Limits[j].Amount)
			}
		}
	}
}
