package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"mirroros.dev/mirroros/specs"
)

// topBudget is one limit of a budget, of the account that has the least left.
type topBudget struct {
	Budget  string `json:"budget"`
	Percent int    `json:"percent"`
	specs.BudgetLimitStatus
}

// topBudgets shows how much of each limit is used, the fullest first, as the budgets' status tells it.
func (c *command) topBudgets(ctx context.Context, output string) error {
	list, err := listOf[specs.TokenBudget](ctx, c, "")
	if err != nil {
		return err
	}
	all := []topBudget{}
	for _, b := range list {
		for _, l := range b.Status.Limits {
			all = append(all, topBudget{b.Name, l.Percent(), l})
		}
	}
	slices.SortStableFunc(all, func(a, b topBudget) int {
		return cmp.Or(b.Percent-a.Percent, cmp.Compare(a.Budget, b.Budget), cmp.Compare(a.Name, b.Name))
	})
	if output != "" {
		return printObject(c.Out, output, map[string]any{"items": all})
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Err, "There is no budget.")
		return nil
	}
	var rows [][]string
	for _, t := range all {
		l := &t.BudgetLimitStatus
		part := fmt.Sprintf("%d%%", t.Percent)
		if isTerminal(c.Out) {
			part = c.paintPart(t.Percent, bar(float64(t.Percent)/100, barWidth)) + " " + part
		}
		rows = append(rows, []string{t.Budget, l.Name, orDash(l.Principal), used(l), part, cmp.Or(l.BurnPerHour, "0"), c.until(l.RunsOut, "<none>"), c.until(l.Reset, "<none>")})
	}
	columns(c.Out, []string{"NAME", "LIMIT", "ACCOUNT", "USED", "", "PER HOUR", "RUNS OUT", "MORE"}, rows)
	return nil
}
