package cli

import (
	"bufio"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/specs"
)

func newAuditQuery(c *command) *cobra.Command {
	var p auditPlace
	var f auditFilter
	var by []string
	var output string
	cmd := &cobra.Command{
		Use:   "query [--since ...] [--decision ...] [--count-by FIELD,...]",
		Short: "Find or count records of the audit log",
		Long: `query prints the records that fit all of its flags, the newest last; a flag with several values fits any of them. --count-by counts them
by the fields of a record, the most frequent first.`,
		Example: `  mirrorctl audit query --since 1h --decision Refused
  mirrorctl audit query --request 01JD8M2K4QX7Z9AB -o json
  mirrorctl audit query --since 24h --count-by principal,decision`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fields := slices.Sorted(maps.Keys(recordFields))
			for _, name := range by {
				if !slices.Contains(fields, name) {
					return usageError("--count-by %q: no such field%s; there are %s", name, specs.DidYouMean(name, fields), strings.Join(fields, ", "))
				}
			}
			if err := checkFormat(output, "json"); err != nil {
				return err
			}
			if err := f.finish(c.now()); err != nil {
				return err
			}
			p.find(cmd.Context(), c)
			if len(by) > 0 {
				return p.missing(c.auditCount(p.dir, f.Filter, by, output))
			}
			out := bufio.NewWriter(c.Out)
			err := audit.Query(p.dir, f.Filter, c.printRecord(out, output))
			return p.missing(cmp.Or(err, out.Flush()))
		},
	}
	p.flags(cmd, false)
	f.flags(c, cmd, &p)
	cmd.Flags().StringSliceVar(&by, "count-by", nil, "count by these fields instead, as principal,decision")
	_ = cmd.RegisterFlagCompletionFunc("count-by", cobra.FixedCompletions(slices.Sorted(maps.Keys(recordFields)), cobra.ShellCompDirectiveNoFileComp))
	outputFlag(cmd, &output)
	return cmd
}

// auditCount counts records by the values of fields.
func (c *command) auditCount(dir string, f audit.Filter, by []string, output string) error {
	counts := map[string]int{}
	err := audit.Query(dir, f, func(r *audit.Record) error {
		values := make([]string, len(by))
		for i, name := range by {
			values[i] = recordField(r, name)
		}
		counts[strings.Join(values, "\x00")]++
		return nil
	})
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	var rows [][]string
	enc := json.NewEncoder(c.Out)
	for _, key := range keys {
		values := strings.Split(key, "\x00")
		if output == "json" {
			line := object{"count": counts[key]}
			for i, name := range by {
				line[name] = values[i]
			}
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		row := []string{strconv.Itoa(counts[key])}
		for _, v := range values {
			row = append(row, printable(cmp.Or(v, "<none>")))
		}
		rows = append(rows, row)
	}
	if output == "" && len(rows) > 0 {
		header := []string{"COUNT"}
		for _, name := range by {
			header = append(header, strings.ToUpper(name))
		}
		columns(c.Out, header, rows)
	}
	return nil
}
