package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// How wide the bars are and how many columns a sparkline has.
const (
	barWidth   = 20
	sparkSteps = 40
)

// shownAccounts is how many accounts are shown; the rest is counted.
const shownAccounts = 20

func newBudgetShow(c *command) *cobra.Command {
	var h historyFlags
	var output string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show how a budget stands, and who used it",
		Long: `show tells of every account of a budget how much of each limit is used and left, when it has more, and when it runs out if calls go on as
in the last hour. With --by it tells who took how much in the time of --since, and how many calls did not fit; on a
terminal with a small picture of when.`,
		Example: "  mirrorctl budget show agents\n  mirrorctl budget show agents --by principal --since 12h\n  mirrorctl budget show house --by model -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			if err := h.check(cmd); err != nil {
				return err
			}
			return c.budgetShow(cmd.Context(), budgetName(args[0]), h, output)
		},
	}
	h.flags(cmd, "tell who took it: principal, route or model", "how far back --by looks (default: the window of the first limit that has one, else 24h)")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return c.newBudgetName(cmd)
}

func (c *command) budgetShow(ctx context.Context, name string, h historyFlags, output string) error {
	var b specs.TokenBudget
	if err := c.client().getJSON(ctx, budgetPath(name), &b); err != nil {
		return err
	}
	var r specs.BudgetReport
	if err := c.client().getJSON(ctx, budgetPath(name)+"/report", &r); err != nil {
		return err
	}
	var history *specs.BudgetHistory
	if h.by != "" {
		if h.since == 0 {
			h.since = windowOf(&b, &r)
		}
		var err error
		if history, err = c.history(ctx, name, h.by, h.since, sparkSteps); err != nil {
			return err
		}
	}
	if output != "" {
		return printObject(c.Out, output, struct {
			specs.BudgetReport
			History *specs.BudgetHistory `json:"history,omitempty"`
		}{r, history})
	}
	c.budgetHead(&b)
	c.budgetLimits(&b, &r)
	if history != nil {
		fmt.Fprintln(c.Out)
		measure, _ := b.Spec.Limits[0].Measure()
		c.budgetTakers(history, measure, b.Spec.Currency())
	}
	return nil
}

// windowOf is how far back a budget's own window reaches.
func windowOf(b *specs.TokenBudget, r *specs.BudgetReport) time.Duration {
	for i := range b.Spec.Limits {
		w := b.Spec.Limits[i].Window
		if w != nil && w.Sliding != nil {
			return w.Sliding.Duration
		}
		for _, a := range r.Accounts {
			if w != nil && i < len(a.Limits) && !a.Limits[i].Since.IsZero() {
				return max(time.Minute, r.Now.Sub(a.Limits[i].Since)).Truncate(time.Second)
			}
		}
	}
	return 24 * time.Hour
}

func (c *command) budgetHead(b *specs.TokenBudget) {
	s := &b.Spec
	text := "tokenbudget/" + b.Name + "   for " + s.Principals.Short()
	if s.Account == specs.AccountEach {
		text += ", each its own"
	}
	if s.Parent != "" {
		text += "   below tokenbudget/" + s.Parent
	}
	fmt.Fprintln(c.Out, text)
}

func (c *command) budgetLimits(b *specs.TokenBudget, r *specs.BudgetReport) {
	if len(r.Accounts) == 0 {
		fmt.Fprintln(c.Out, "Nobody has used anything of it.")
		return
	}
	pictures := isTerminal(c.Out)
	header := []string{"LIMIT", "USED", "", "LEFT", "RESERVED", "MORE", "RUNS OUT"}
	each := b.Spec.Account == specs.AccountEach
	if each {
		header = append([]string{"ACCOUNT"}, header...)
	}
	var rows [][]string
	for _, a := range r.Accounts[:min(len(r.Accounts), shownAccounts)] {
		for j := range a.Limits {
			l := &a.Limits[j].BudgetLimitStatus
			percent := l.Percent()
			part := fmt.Sprintf("%d%%", percent)
			if pictures {
				part = c.paintPart(percent, bar(float64(percent)/100, barWidth)) + " " + part
			}
			row := []string{l.Name, used(l), part, l.Remaining, l.Reserved, c.until(l.Reset, resetWord(&b.Spec, l)), c.until(l.RunsOut, "<none>")}
			if each {
				row = append([]string{a.Principal}, row...)
			}
			rows = append(rows, row)
		}
	}
	columns(c.Out, header, rows)
	if more := len(r.Accounts) - shownAccounts; more > 0 {
		fmt.Fprintf(c.Out, "and %s that have more left; -o json has all\n", count(more, "account"))
	}
}

// resetWord is what stands for no time of more: a limit without a window has none, one that is not used needs none.
func resetWord(s *specs.TokenBudgetSpec, l *specs.BudgetLimitStatus) string {
	for i := range s.Limits {
		if d := &s.Limits[i]; d.Name == l.Name && d.Window == nil && d.Concurrency == nil {
			return "never"
		}
	}
	return "<none>"
}

// budgetTakers shows who took how much, and when.
func (c *command) budgetTakers(h *specs.BudgetHistory, measure, currency string) {
	fmt.Fprintf(c.Out, "By %s, %s to %s:\n", h.By, clock(h.Since), clock(h.Until))
	if len(h.Rows) == 0 {
		fmt.Fprintln(c.Out, "Nobody took anything.")
		return
	}
	header := []string{"NAME", "TOKENS IN", "TOKENS OUT", "CALLS"}
	if currency != "" {
		header = append(header, currency)
	}
	header = append(header, "REFUSED")
	pictures := isTerminal(c.Out)
	if pictures {
		header = append(header, "WHEN")
	}
	var rows [][]string
	for _, r := range h.Rows {
		row := append(append([]string{orDash(r.Name)}, amountCells(&r.Total, currency)...), fmt.Sprint(r.Refused))
		if pictures {
			row = append(row, sparkline(weights(r.Steps, measure)))
		}
		rows = append(rows, row)
	}
	columns(c.Out, header, rows)
}

// amountCells are the cells of amounts; money only where there is a currency.
func amountCells(a *specs.BudgetAmounts, currency string) []string {
	out := []string{fmt.Sprint(a.InputTokens), fmt.Sprint(a.OutputTokens), fmt.Sprint(a.Requests)}
	if currency != "" {
		out = append(out, a.Cost)
	}
	return out
}

// clock is a time of this host, for people.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
