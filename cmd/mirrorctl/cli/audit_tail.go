package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/reconcile/audit"
)

func newAuditTail(c *command) *cobra.Command {
	var p auditPlace
	var f auditFilter
	var follow bool
	var n int
	var output string
	cmd := &cobra.Command{
		Use:   "tail [-f] [-n NUMBER]",
		Short: "Print the last records of the audit log",
		Example: `  mirrorctl audit tail
  mirrorctl audit tail -f --decision Refused
  mirrorctl audit tail -n 100 -o json | jq .rule`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(output, "json"); err != nil {
				return err
			}
			if n < 0 {
				return usageError("-n %d: want a number of records", n)
			}
			if err := f.finish(c.now()); err != nil {
				return err
			}
			p.find(cmd.Context(), c)
			at, err := audit.Last(p.dir, n, f.Filter, c.printRecord(c.Out, output))
			if err != nil || !follow {
				return p.missing(err)
			}
			return audit.Follow(cmd.Context(), p.dir, at, f.Filter, c.printRecord(c.Out, output))
		},
	}
	p.flags(cmd, false)
	f.flags(c, cmd, &p)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new records until interrupted")
	cmd.Flags().IntVarP(&n, "number", "n", 20, "how many of the last records")
	outputFlag(cmd, &output)
	return cmd
}

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "json: one object a line")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
}

// printRecord prints a record as a line, for people or as JSON.
func (c *command) printRecord(w io.Writer, output string) func(*audit.Record) error {
	if output == "" {
		return func(r *audit.Record) error {
			_, err := fmt.Fprintln(w, c.auditLine(r))
			return err
		}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(r *audit.Record) error { return enc.Encode(r) }
}
