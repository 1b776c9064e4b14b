package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/budget"
	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/specs"
)

// budgetsAPI gives the budgets to the API in its own words.
type budgetsAPI struct {
	r *budget.Reconciler
	// audit is where the logs of all chains are.
	audit string
}

func (a budgetsAPI) Report(_ context.Context, name string) (*specs.BudgetReport, error) {
	b, report, err := a.r.Report(name)
	if err != nil {
		return nil, err
	}
	out := &specs.BudgetReport{Name: name, Now: a.r.Now(), Accounts: []specs.BudgetAccountReport{}, TopSpenders: budget.Spenders(report, len(report.TopSpenders))}
	for i := range report.Accounts {
		x := &report.Accounts[i]
		account := specs.BudgetAccountReport{Principal: x.Principal}
		for j := range x.Limits {
			account.Limits = append(account.Limits, specs.BudgetLimitReport{Since: x.Limits[j].Since,
				BudgetLimitStatus: budget.LimitStatus(&x.Limits[j], x.Principal, b.Spec.Currency())})
		}
		out.Accounts = append(out.Accounts, account)
	}
	return out, nil
}

func (a budgetsAPI) History(ctx context.Context, name string, q apiserver.BudgetQuestion) (*specs.BudgetHistory, error) {
	step := historyStep(q.Since, q.Steps)
	until := a.r.Now().Truncate(step).Add(step)
	out := &specs.BudgetHistory{By: q.By, Until: until, Since: until.Add(-step * ((q.Since + step - 1) / step)), Step: metav1.Duration{Duration: step}, Rows: []specs.BudgetHistoryRow{}}
	rows, err := a.r.History(name, ledger.HistoryQuery{By: ledger.By(q.By), Since: out.Since, Until: out.Until, Step: step})
	if err != nil {
		return nil, err
	}
	refused, err := a.refused(ctx, name, out)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		row := specs.BudgetHistoryRow{Name: r.Name, Total: amounts(r.Total)}
		for _, s := range r.Steps {
			row.Steps = append(row.Steps, amounts(s))
		}
		row.Refused = refused[r.Name]
		delete(refused, r.Name)
		out.Rows = append(out.Rows, row)
	}
	for _, who := range slices.Sorted(maps.Keys(refused)) { // and those that got nothing at all
		out.Rows = append(out.Rows, specs.BudgetHistoryRow{Name: who, Total: amounts(ledger.Amounts{}), Steps: []specs.BudgetAmounts{}, Refused: refused[who]})
	}
	return out, nil
}

// refused counts the calls that did not fit into a budget, by what the history is told by.
func (a budgetsAPI) refused(ctx context.Context, name string, h *specs.BudgetHistory) (map[string]int64, error) {
	out := map[string]int64{}
	f := audit.Filter{Since: h.Since, Until: h.Until, Kinds: []string{audit.KindDecision}, Decisions: []string{audit.Refused}}
	err := audit.Query(a.audit, f, func(r *audit.Record) error {
		if r.Budget == name {
			out[map[string]string{"principal": r.Principal, "route": r.Gate + "/" + r.Route, "model": r.Model}[h.By]]++
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot count the calls that TokenBudget %q refused: %w", name, err)
	}
	return out, nil
}

// historyStep is how long a step is, so that about so many fill a time; none is finer than the ledger keeps that time.
func historyStep(since time.Duration, steps int) time.Duration {
	grain := 15 * time.Minute
	switch {
	case since <= time.Hour:
		grain = time.Second
	case since <= 48*time.Hour:
		grain = time.Minute
	}
	step := (since + time.Duration(steps) - 1) / time.Duration(steps)
	return max(1, (step+grain-1)/grain) * grain
}

func amounts(a ledger.Amounts) specs.BudgetAmounts {
	return specs.BudgetAmounts{InputTokens: a.Input, OutputTokens: a.Output, Cost: specs.FormatMoney(int64(a.Cost)), Requests: a.Requests}
}

func (a budgetsAPI) Reset(_ context.Context, name, reason, by string) error {
	return a.r.Reset(name, reason, by)
}

func (a budgetsAPI) Verify(context.Context) (*specs.BudgetFindings, error) {
	f, err := a.r.Verify()
	if err != nil {
		return nil, err
	}
	out := &specs.BudgetFindings{Faults: []specs.BudgetFault{}, Records: f.Records, Calls: f.Calls, Open: f.Open, Torn: f.Torn, Total: amounts(f.Total)}
	for _, x := range f.Faults {
		out.Faults = append(out.Faults, specs.BudgetFault(x))
	}
	return out, nil
}
