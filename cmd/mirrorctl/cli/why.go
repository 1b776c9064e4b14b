package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// stageNames are the stages of the gate, from 1.
var stageNames = []string{"", "transport", "authentication", "parse and match", "rules", "request filters", "backends", "record", "forward", "response filters", "settle", "outcome"}

func newWhy(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why REQUEST-ID | why port N | why pid N",
		Short: "Explain what the gate decided about a request, or what a port or a process is",
		Long: `With the id of a request (the header X-MirrorGate-Request-Id, or the text of a refusal): each rule that was tried, why it did not
match, and where it is declared. With a port or a process id: what of this operator it belongs to.`,
		Example:           "  mirrorctl why 01JDX7M0Z3K4T9QA\n  mirrorctl why port 11434\n  mirrorctl why pid 4711",
		Args:              asUsage(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: cobra.FixedCompletions([]string{"port", "pid"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			if len(args) == 2 {
				return c.whyNumber(cmd, args[0], args[1], output)
			}
			var e specs.Explanation
			if err := c.client().getJSON(cmd.Context(), "/mirroros/why/request/"+url.PathEscape(args[0]), &e); err != nil {
				return err
			}
			if output != "" {
				return printObject(c.Out, output, e)
			}
			c.printExplanation(&e)
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return cmd
}

func (c *command) whyNumber(cmd *cobra.Command, what, number, output string) error {
	if n, err := strconv.Atoi(number); what != "port" && what != "pid" || err != nil || n <= 0 {
		return usageError("want `why port N` or `why pid N`")
	}
	var b specs.Belongs
	if err := c.client().getJSON(cmd.Context(), "/mirroros/why/"+what+"/"+number, &b); err != nil {
		return err
	}
	if output != "" {
		return printObject(c.Out, output, b)
	}
	fmt.Fprintln(c.Out, b.Text)
	if b.Why != "" {
		fmt.Fprintf(c.Out, "  why: %s\n", b.Why)
	}
	if b.Place != "" {
		fmt.Fprintf(c.Out, "  declared in %s\n", b.Place)
	}
	if b.Object == "" {
		return errFalse
	}
	return nil
}

// printExplanation prints a decision in a line, and the rules that were tried.
func (c *command) printExplanation(e *specs.Explanation) {
	var head []string
	if e.Request != "" {
		head = append(head, e.Request, e.Time.Local().Format("15:04:05"))
	}
	verdict := strings.ToUpper(e.Decision)
	if e.Stage > 0 && e.Stage < len(stageNames) && !e.Allowed {
		verdict += fmt.Sprintf(", stage %d %s", e.Stage, stageNames[e.Stage])
	}
	head = append(head, strings.TrimSpace(orDash(e.Principal)+" -> route/"+orDash(e.Route)+" "+e.Asked))
	verdict += fmt.Sprintf(", snapshot %d", e.Snapshot)
	if e.Revision != "" {
		verdict += ", live " + e.Revision
	}
	fmt.Fprintln(c.Out, strings.Join(append(head, verdict), "  "))
	c.printTried(e)
	for _, f := range []struct {
		what  string
		rules []string
	}{{"request", e.RequestFilters}, {"answer", e.AnswerFilters}} {
		if len(f.rules) > 0 {
			fmt.Fprintf(c.Out, "  filters that did something about the %s: %s\n", f.what, strings.Join(f.rules, ", "))
		}
	}
	if e.Reason != "" && e.Stage != 4 && !e.Allowed {
		fmt.Fprintf(c.Out, "  reason: %s\n", e.Reason)
	}
	if e.Status != 0 {
		fmt.Fprintf(c.Out, "  the client got %d after %d ms\n", e.Status, e.Milliseconds)
	}
	if e.Note != "" {
		fmt.Fprintf(c.Out, "  %s\n", e.Note)
	}
	if e.Request != "" && !e.Allowed && e.Stage == 4 {
		fmt.Fprintf(c.Out, "for an hour: mirrorctl allow %s --for 1h --reason TEXT\n", e.Request)
	}
}

func (c *command) printTried(e *specs.Explanation) {
	var rows [][]string
	for _, t := range e.Tried {
		what := "no match"
		if t.Matched {
			what = t.Action
		}
		if t.Shadow {
			what += " (shadow)"
		}
		text := t.Why
		if t.Nearest {
			text += "   <- nearest"
		}
		rows = append(rows, []string{"  " + strconv.Itoa(int(t.Priority)), t.Rule, what, text, t.Place})
	}
	if !e.Allowed && e.Rule == "" && len(e.Tried) > 0 {
		rows = append(rows, []string{"  default", "", "Deny", "no rule allows it", ""})
	}
	columns(c.Out, nil, rows)
}
