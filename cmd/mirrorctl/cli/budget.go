package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"mirroros.dev/mirroros/specs"
)

func newBudget(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "budget show|history|reset|verify",
		Short: "See what is used of token budgets, and forget it",
		Long: `A TokenBudget says what principals may spend through the gates. What was spent is in the ledger of the gates; these verbs read it.
` + "`mirrorctl top budgets`" + ` lists all budgets, ` + "`mirrorctl explain tokenbudget.spec`" + ` tells how one is written.`,
		Example: "  mirrorctl budget show agents --by principal --since 12h\n  mirrorctl budget history house --since 720h\n  mirrorctl budget reset agents --reason 'the loop is mended'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say what to do: `mirrorctl budget show NAME`, `budget history NAME`, `budget reset NAME --reason TEXT` or `budget verify`")
			}
			return usageError("budget has no %q: show, history, reset or verify", args[0])
		},
	}
	cmd.AddCommand(newBudgetShow(c), newBudgetHistory(c), newBudgetReset(c), newBudgetVerify(c))
	return cmd
}

func budgetPath(name string) string { return kindPath(specs.KindOf("TokenBudget"), name) }

// byWords are what a history is told by.
var byWords = []string{"principal", "route", "model"}

// historyFlags are what a history is asked for with.
type historyFlags struct {
	by    string
	since time.Duration
}

func (h *historyFlags) flags(cmd *cobra.Command, by, since string) {
	cmd.Flags().StringVar(&h.by, "by", "", by)
	cmd.Flags().DurationVar(&h.since, "since", 0, since)
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(byWords, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses what the operator would.
func (h *historyFlags) check(cmd *cobra.Command) error {
	if h.by != "" && !slices.Contains(byWords, h.by) {
		return usageError("--by %s: want principal, route or model", h.by)
	}
	if cmd.Flags().Changed("since") && (h.since < time.Second || h.since > 62*24*time.Hour) {
		return usageError("--since %s: want a duration from 1s to 1488h, such as 12h", h.since)
	}
	return nil
}

// history asks who took what when.
func (c *command) history(ctx context.Context, name, by string, since time.Duration, steps int) (*specs.BudgetHistory, error) {
	q := url.Values{"by": {by}, "since": {since.String()}, "steps": {strconv.Itoa(steps)}}
	h := &specs.BudgetHistory{}
	return h, c.client().getJSON(ctx, budgetPath(name)+"/history?"+q.Encode(), h)
}

// weights of the steps for a sparkline, in the measure that counts: money, requests, or tokens.
func weights(steps []specs.BudgetAmounts, measure string) []float64 {
	out := make([]float64, len(steps))
	for i, s := range steps {
		switch measure {
		case specs.MeasureCost:
			out[i], _ = strconv.ParseFloat(s.Cost, 64)
		case specs.MeasureRequests:
			out[i] = float64(s.Requests)
		case "inputTokens":
			out[i] = float64(s.InputTokens)
		case "outputTokens":
			out[i] = float64(s.OutputTokens)
		default:
			out[i] = float64(s.InputTokens + s.OutputTokens)
		}
	}
	return out
}

// used is a limit in words, as 391204 of 400000 tokens.
func used(l *specs.BudgetLimitStatus) string {
	unit := l.Measure
	if unit == specs.MeasureConcurrency { // of calls all is reserved that is used
		return fmt.Sprintf("%s of %s at once", l.Reserved, l.Limit)
	}
	if l.Currency != "" {
		unit = l.Currency
	}
	return fmt.Sprintf("%s of %s %s", l.Used, l.Limit, unit)
}

// until is how long it is until a time, in words; none for no time.
func (c *command) until(t metav1.Time, none string) string {
	switch left := t.Sub(c.now()); {
	case t.IsZero():
		return none
	case left <= 0:
		return "now"
	default:
		return "in " + duration.HumanDuration(left)
	}
}

// paintPart colours a text by how much of a limit is used.
func (c *command) paintPart(percent int, s string) string {
	switch {
	case percent >= 99:
		return paint(c.Out, red, s)
	case percent >= 80:
		return paint(c.Out, yellow, s)
	}
	return paint(c.Out, green, s)
}

func (c *command) newBudgetName(cmd *cobra.Command) *cobra.Command {
	cmd.Args = asUsage(cobra.ExactArgs(1))
	cmd.ValidArgsFunction = c.completeObjects("tokenbudget")
	return cmd
}

// budgetName takes also tokenbudget/NAME, as other verbs print it.
func budgetName(arg string) string {
	for _, prefix := range []string{"tokenbudget/", "tokenbudgets/", "budget/"} {
		arg = strings.TrimPrefix(arg, prefix)
	}
	return arg
}
