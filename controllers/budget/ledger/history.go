package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// By is what a history is told by.
type By string

// What a history is told by.
const (
	ByPrincipal By = "principal"
	ByRoute     By = "route" // as gate/route
	ByModel     By = "model"
)

// HistoryQuery asks for a history.
type HistoryQuery struct {
	By By
	// Budget whose calls alone count, as of the config of the last Report; empty is all calls.
	Budget string
	// Since and Until when, in steps of Step. Facts are kept by the second for an hour, by the minute for two days, by the quarter of an hour for
	// 62 days; of steps that are shorter the first gets all. At most 10,000 steps.
	Since, Until time.Time
	Step         time.Duration
}

// HistoryRow is what one principal, route or model took, step by step.
type HistoryRow struct {
	Name  string
	Total Amounts
	Steps []Amounts
}

const maxSteps = 10_000

// History tells who took what when, the most tokens first.
func (r *Reader) History(q HistoryQuery) ([]HistoryRow, error) {
	if q.Step <= 0 || !q.Since.Before(q.Until) || q.Until.Sub(q.Since) > maxSteps*q.Step {
		return nil, fmt.Errorf("cannot tell a history from %s to %s in steps of %s: there may be 1 to %d steps",
			q.Since.Format(time.RFC3339), q.Until.Format(time.RFC3339), q.Step, maxSteps)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.g.book
	steps := int((q.Until.Sub(q.Since) + q.Step - 1) / q.Step)
	rows := map[string]*HistoryRow{}
	for _, k := range b.keys {
		if q.Budget != "" && !slices.ContainsFunc(k.accounts, func(a *account) bool { return a.budget.Name == q.Budget }) {
			continue
		}
		for i := range k.series {
			u := &k.series[i]
			at := time.Unix(u.wall, 0)
			if u.width == 0 || at.Add(time.Duration(u.width)*time.Second).Compare(q.Since) <= 0 || !at.Before(q.Until) {
				continue
			}
			name := map[By]string{ByPrincipal: k.principal, ByRoute: k.gate + "/" + k.route, ByModel: k.model}[q.By]
			row := rows[name]
			if row == nil {
				row = &HistoryRow{Name: name, Steps: make([]Amounts, steps)}
				rows[name] = row
			}
			row.Steps[max(0, at.Sub(q.Since)/q.Step)].plus(u.Amounts)
			row.Total.plus(u.Amounts)
		}
	}
	out := make([]HistoryRow, 0, len(rows))
	for _, row := range rows {
		out = append(out, *row)
	}
	slices.SortFunc(out, func(p, q HistoryRow) int {
		return cmp.Or(-cmp.Compare(p.Total.of(Tokens), q.Total.of(Tokens)), -cmp.Compare(p.Total.Requests, q.Total.Requests), cmp.Compare(p.Name, q.Name))
	})
	return out, nil
}
