package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newBudgetHistory(c *command) *cobra.Command {
	var h historyFlags
	var steps int
	var output string
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "Show what was used of a budget, step by step",
		Long: `history tells how many tokens, how much money and how many calls were taken in each step of time; steps in which nothing was taken are left
out. The ledger keeps the last hour by the second, two days by the minute and 62 days by the quarter of an hour, so steps may be longer than asked for.`,
		Example: "  mirrorctl budget history agents\n  mirrorctl budget history house --since 720h --steps 30\n  mirrorctl budget history agents --by model -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			if err := h.check(cmd); err != nil {
				return err
			}
			if steps < 1 || steps > 1000 {
				return usageError("--steps %d: want a number from 1 to 1000", steps)
			}
			return c.budgetHistory(cmd.Context(), budgetName(args[0]), h, steps, output)
		},
	}
	h.flags(cmd, "one row for each: principal, route or model (default: all together)", "how far back (default 24h)")
	cmd.Flags().IntVar(&steps, "steps", 24, "in how many steps")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return c.newBudgetName(cmd)
}

func (c *command) budgetHistory(ctx context.Context, name string, f historyFlags, steps int, output string) error {
	if f.since == 0 {
		f.since = 24 * time.Hour
	}
	by := f.by
	if by == "" {
		by = byWords[0]
	}
	h, err := c.history(ctx, name, by, f.since, steps)
	if err != nil {
		return err
	}
	if output != "" {
		return printObject(c.Out, output, h)
	}
	if f.by == "" {
		h.Rows = together(h.Rows)
	}
	header := []string{"FROM", "TOKENS IN", "TOKENS OUT", "CALLS", "COST"}
	if f.by != "" {
		header = []string{"FROM", "NAME", "TOKENS IN", "TOKENS OUT", "CALLS", "COST"}
	}
	var rows [][]string
	for i := range int(h.Until.Sub(h.Since) / max(1, h.Step.Duration)) {
		for _, r := range h.Rows {
			if i >= len(r.Steps) || tookNothing(&r.Steps[i]) {
				continue
			}
			row := []string{clock(h.Since.Add(time.Duration(i) * h.Step.Duration))}
			if f.by != "" {
				row = append(row, orDash(r.Name))
			}
			rows = append(rows, append(row, amountCells(&r.Steps[i], "-")...))
		}
	}
	if len(rows) == 0 {
		fmt.Fprintf(c.Err, "Nothing was used of it since %s.\n", clock(h.Since))
		return nil
	}
	columns(c.Out, header, rows)
	return nil
}

func tookNothing(a *specs.BudgetAmounts) bool {
	return a.InputTokens == 0 && a.OutputTokens == 0 && a.Requests == 0 && parseCost(a.Cost) == 0
}

// parseCost is money in billionths, as the operator wrote it.
func parseCost(s string) int64 {
	n, _ := specs.ParseMoney(s) // nothing is nothing
	return n
}

// together adds rows up to one.
func together(rows []specs.BudgetHistoryRow) []specs.BudgetHistoryRow {
	sum := specs.BudgetHistoryRow{}
	for _, r := range rows {
		for len(sum.Steps) < len(r.Steps) {
			sum.Steps = append(sum.Steps, specs.BudgetAmounts{})
		}
		for i, s := range r.Steps {
			t := &sum.Steps[i]
			t.InputTokens, t.OutputTokens, t.Requests = t.InputTokens+s.InputTokens, t.OutputTokens+s.OutputTokens, t.Requests+s.Requests
			t.Cost = specs.FormatMoney(parseCost(t.Cost) + parseCost(s.Cost))
		}
	}
	return []specs.BudgetHistoryRow{sum}
}
