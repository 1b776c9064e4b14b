package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newAllow(c *command) *cobra.Command {
	var period time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:   "allow REQUEST-ID --for DURATION --reason TEXT",
		Short: "Allow for a while what the gate refused",
		Long: `Makes a GateRule that allows the principal of that request what it asked for (the route, and of an MCP server the tool), and that ends by
itself. It comes before every other rule, belongs to no stack, is recorded, and status lists it. Delete it to end it early.`,
		Example:           `  mirrorctl allow 01JDX7M0Z3K4T9QA --for 1h --reason "writes the report tonight"`,
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case period <= 0:
				return usageError("say how long, with --for, such as --for 1h")
			case strings.TrimSpace(reason) == "":
				return usageError("say why, with --reason")
			}
			var e specs.Explanation
			if err := c.client().getJSON(cmd.Context(), "/mirroros/why/request/"+url.PathEscape(args[0]), &e); err != nil {
				return err
			}
			if e.Allowed {
				fmt.Fprintf(c.Out, "%s was allowed, by gaterule/%s\n", args[0], e.Rule)
				return nil
			}
			if e.Stage != 4 {
				return fmt.Errorf("%s was not refused by a rule but in stage %d (%s): a rule cannot allow it", args[0], e.Stage, e.Reason)
			}
			rule := allowRule(&e, args[0], reason, c.now().Add(period))
			body, err := json.Marshal(rule)
			if err != nil {
				return fmt.Errorf("cannot encode the rule: %v", err)
			}
			err = c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: kindPath(specs.KindOf("GateRule"), ""),
				contentType: "application/json", body: body}, nil)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.Out, "gaterule/%s allows %s -> route/%s %s until %s; end it early with `mirrorctl delete gaterule/%s`\n", rule.Name, e.Principal, e.Route, e.Asked,
				c.now().Add(period).Local().Format("2006-01-02 15:04"), rule.Name)
			return nil
		},
	}
	cmd.Flags().DurationVar(&period, "for", 0, "how long the rule lasts")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

// allowRule allows just what was asked for.
func allowRule(e *specs.Explanation, id, reason string, until time.Time) *specs.GateRule {
	zero := int32(0)
	r := &specs.GateRule{Spec: specs.GateRuleSpec{Why: "allowed by hand after " + id + " was refused", Routes: []string{e.Route},
		Principals: &specs.PrincipalSelector{Names: []string{e.Principal}}, Priority: &zero, Action: specs.RuleAllow, Reason: reason}}
	r.Name = "allow-" + strings.ToLower(id)
	r.APIVersion, r.Kind = specs.GroupVersion.String(), "GateRule"
	if e.Gate != "" {
		r.Spec.Gates = []string{e.Gate}
	}
	r.Spec.Expires.Time = until.UTC().Truncate(time.Second)
	if method, target, ok := strings.Cut(e.Asked, " "); ok && slices.Contains([]string{"tools/call", "resources/read", "resources/subscribe", "prompts/get"}, method) {
		m := &specs.MCPMatch{}
		switch method {
		case "tools/call":
			m.Tools = []string{target}
		case "prompts/get":
			m.Prompts = []string{target}
		default:
			m.Resources = []string{target}
		}
		r.Spec.MCP = m
	}
	return r
}
