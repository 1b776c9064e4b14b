package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newBudgetVerify(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that the ledger of the budgets adds up",
		Long: `verify has the operator derive every balance anew from the first fact that is kept, and compare. Exit code 0: all adds up; 1: something is
wrong, told with its file and the byte at which it begins. Half a record at the end, of a gate that was killed, is no fault.`,
		Example:           "  mirrorctl budget verify\n  mirrorctl budget verify -o json",
		Args:              asUsage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			return c.budgetVerify(cmd.Context(), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return cmd
}

func (c *command) budgetVerify(ctx context.Context, output string) error {
	var f specs.BudgetFindings
	if err := c.client().getJSON(ctx, "/mirroros/budgets/verify", &f); err != nil {
		return err
	}
	if output != "" {
		if err := printObject(c.Out, output, f); err != nil {
			return err
		}
	} else {
		for _, x := range f.Faults {
			fmt.Fprintf(c.Out, "%s:%d  %s\n", x.File, x.Offset, x.What)
		}
		end := "all adds up"
		if n := len(f.Faults); n > 0 {
			end = count(n, "fault")
		}
		fmt.Fprintf(c.Out, "%s: %s ended, %d open, %d tokens in, %d out: %s\n", count(int(f.Records), "record"), count(int(f.Calls), "call"), f.Open, f.Total.InputTokens, f.Total.OutputTokens, end)
		if f.Torn > 0 {
			fmt.Fprintf(c.Err, "note: half a record of %d bytes is at the end, of a gate that was killed; the next one cuts it off\n", f.Torn)
		}
	}
	if len(f.Faults) > 0 {
		return errFalse
	}
	return nil
}
