package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newCanI(c *command) *cobra.Command {
	var o struct {
		as, model, path, output string
		maxTokens               int64
	}
	cmd := &cobra.Command{
		Use:   "can-i call ROUTE[:TOOL] --as PRINCIPAL",
		Short: "Tell whether the rules would allow a call; exit code 1 says no",
		Long: `Nothing is called. The rules in force are asked, by the same code as in the gate; conditions see what the flags say and zero for the rest.
For an MCP route, ROUTE:TOOL asks for a tool, ROUTE:resource:URI and ROUTE:prompt:NAME for the others.`,
		Example:           "  mirrorctl can-i call chat --as scout --max-tokens 500\n  mirrorctl can-i call fs:write_file --as coder",
		Args:              asUsage(cobra.ExactArgs(2)),
		ValidArgsFunction: c.completeCanI,
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "call" {
				return usageError("can-i knows one verb: call, as in `mirrorctl can-i call ROUTE --as PRINCIPAL`")
			}
			if o.as == "" {
				return usageError("say who calls, with --as PRINCIPAL")
			}
			if err := checkFormat(o.output, "json", "yaml"); err != nil {
				return err
			}
			route, tool, _ := strings.Cut(args[1], ":")
			body, err := json.Marshal(specs.Question{Principal: strings.TrimPrefix(o.as, "principal/"), Route: strings.TrimPrefix(route, "route/"),
				Target: tool, Model: o.model, MaxTokens: o.maxTokens, Path: o.path})
			if err != nil {
				return fmt.Errorf("cannot encode the question: %v", err)
			}
			var e specs.Explanation
			err = c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: "/mirroros/can-i", contentType: "application/json", body: body}, &e)
			if err != nil {
				return err
			}
			if o.output != "" {
				err = printObject(c.Out, o.output, e)
			} else if e.Allowed {
				_, err = fmt.Fprintf(c.Out, "yes   by gaterule/%s\n", e.Rule)
			} else {
				fmt.Fprintln(c.Out, "no    "+canIReason(&e))
				c.printTried(&e)
			}
			if err == nil && !e.Allowed {
				return errFalse
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", "", "principal that calls")
	f.StringVar(&o.model, "model", "", "model that the call names (default: the route's first)")
	f.Int64Var(&o.maxTokens, "max-tokens", 0, "output tokens that the call asks for")
	f.StringVar(&o.path, "path", "", "path of an HTTP route")
	f.StringVarP(&o.output, "output", "o", "", "json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("as", c.completeObjects("principal"))
	return cmd
}

func canIReason(e *specs.Explanation) string {
	for _, t := range e.Tried {
		if t.Matched && !t.Shadow {
			return "gaterule/" + t.Rule + " denies it"
		}
	}
	if e.Stage != 4 && e.Reason != "" {
		return e.Reason
	}
	return "no rule matches: default deny"
}

func (c *command) completeCanI(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return []string{"call"}, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeObjects("route")(cmd, args, word)
}
