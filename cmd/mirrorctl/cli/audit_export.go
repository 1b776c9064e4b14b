package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/reconcile/audit"
)

func newAuditExport(c *command) *cobra.Command {
	var p auditPlace
	var f auditFilter
	var path string
	cmd := &cobra.Command{
		Use:   "export [--since TIME] [--until TIME] [-o FILE]",
		Short: "Write a part of the audit log that can be verified alone",
		Long: `export writes the lines of the log between two times as they are, JSON lines, chain by chain, each run of them up to the checkpoint that
signs it. Whoever has the file and the public key can verify it: mirrorctl audit verify --excerpt FILE --public-key KEY. It shows that each
line is as it was signed, and that nothing is missing between the first and the last line of a run; only the whole log shows more.
Give no filter: what is left out in between could not be verified. For that, use audit query -o json.`,
		Example: `  mirrorctl audit export --since 2026-11-23T14:00:00Z --until 2026-11-23T15:00:00Z -o incident.jsonl
  mirrorctl audit export --since 1h | gzip > hour.jsonl.gz`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.finish(c.now()); err != nil {
				return err
			}
			p.find(cmd.Context(), c)
			return p.missing(c.auditExport(p.dir, f, path))
		},
	}
	p.flags(cmd, false)
	f.timeFlags(cmd)
	cmd.Flags().StringVarP(&path, "output", "o", "", "write into this file, which must not be there yet (default: standard output)")
	_ = cmd.MarkFlagFilename("output")
	return cmd
}

func (c *command) auditExport(dir string, f auditFilter, path string) (err error) {
	w := c.Out
	if path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("cannot write the excerpt: %v", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w = file
	}
	out, err := exportTo(w, dir, f)
	if err != nil {
		return err
	}
	if out.Unsigned > 0 {
		fmt.Fprintf(c.Err, "warning: %d lines are not signed yet and were left out; they are within a second, or when their writer starts again\n", out.Unsigned)
	}
	if path != "" {
		fmt.Fprintf(c.Err, "%d lines written to %s\n", out.Lines, path)
	}
	return nil
}

func exportTo(w io.Writer, dir string, f auditFilter) (audit.Exported, error) {
	b := bufio.NewWriter(w)
	out, err := audit.Export(b, dir, f.Since, f.Until)
	return out, errors.Join(err, b.Flush())
}
