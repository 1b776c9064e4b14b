package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/reconcile/audit"
)

func newAuditVerify(c *command) *cobra.Command {
	var p auditPlace
	var excerpt, output string
	cmd := &cobra.Command{
		Use:   "verify [--dir DIR] [--public-key FILE]",
		Short: "Verify that nothing in the audit log was changed, removed or cut off",
		Long: `verify reads every line and tells the first thing that is wrong in each chain, with its file and line. It needs the files and the public
key, nothing else. Exit code 0: all is as it was signed; 1: something is wrong, or there is no log.
What is written in the last moments is signed within a second; what a writer that was killed had not signed yet, the next one signs.`,
		Example: `  mirrorctl audit verify
  mirrorctl audit verify --dir /backup/audit --public-key ~/audit.key.pub
  mirrorctl audit verify --excerpt incident.jsonl --public-key ~/audit.key.pub`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			return c.auditVerify(cmd.Context(), p, excerpt, output)
		},
	}
	p.flags(cmd, true)
	cmd.Flags().StringVar(&excerpt, "excerpt", "", "verify this file, which `audit export` wrote, instead of the log")
	_ = cmd.MarkFlagFilename("excerpt")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *command) auditVerify(ctx context.Context, p auditPlace, excerpt, output string) error {
	p.find(ctx, c)
	if _, err := os.Stat(p.dir); err != nil && excerpt == "" {
		return p.missing(err)
	}
	pub, err := audit.LoadPublicKey(p.key)
	if err != nil {
		return err
	}
	var r audit.Report
	if excerpt == "" {
		r, err = audit.Verify(p.dir, pub)
		err = p.missing(err)
	} else {
		f, openErr := os.Open(excerpt)
		if openErr != nil {
			return fmt.Errorf("cannot read excerpt: %w", openErr)
		}
		defer f.Close()
		r, err = audit.VerifyExcerpt(f, excerpt, pub)
	}
	if err != nil {
		return err
	}
	if output != "" {
		err = printObject(c.Out, output, r)
	} else {
		c.printReport(&r)
	}
	if err == nil && !r.OK() {
		return errFalse
	}
	return err
}

func (c *command) printReport(r *audit.Report) {
	for _, p := range r.Problems {
		fmt.Fprintf(c.Out, "%s  %s\n", paint(c.Out, red, "wrong"), printable(p.String()))
	}
	unsigned, half := 0, 0
	for _, chain := range r.Chains {
		unsigned, half = unsigned+chain.Unsigned, half+chain.Half
	}
	if !r.Removed.IsZero() {
		fmt.Fprintf(c.Out, "note   records until %s may be gone: retention removed old files, and signed that\n", r.Removed.Local().Format(time.DateTime))
	}
	if unsigned > 0 {
		fmt.Fprintf(c.Out, "note   the last %d lines are not signed yet\n", unsigned)
	}
	if half > 0 {
		fmt.Fprintln(c.Out, "note   a line is half written: its writer is at it, or was killed")
	}
	if r.OK() {
		fmt.Fprintf(c.Out, "%s     %d lines in %d chains are as key %s signed them\n", paint(c.Out, green, "ok"), r.Lines, len(r.Chains), r.Key)
	}
}
