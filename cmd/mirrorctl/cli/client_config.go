package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// clients that client-config knows, with the protocol that each speaks.
var clientKinds = []string{"openai", "anthropic", "claude-code", "mcp"}

func newClientConfig(c *command) *cobra.Command {
	var kind, token, gate string
	cmd := &cobra.Command{
		Use:   "client-config PRINCIPAL --for openai|anthropic|claude-code|mcp",
		Short: "Print the lines that point a client at a gate",
		Example: `  mirrorctl client-config coder --for claude-code --token-file ~/.config/coder/token
  eval "$(mirrorctl client-config scout --for openai)"`,
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeObjects("principal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(clientKinds, kind) {
				return usageError("--for %q: want one of %s", kind, strings.Join(clientKinds, ", "))
			}
			var p specs.Principal
			if err := c.client().getJSON(cmd.Context(), principalPath(args[0]), &p); err != nil {
				return err
			}
			if token == "" {
				token = "~/.config/" + args[0] + "/token"
			}
			return c.clientConfig(cmd.Context(), kind, gate, args[0], token)
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "for", "", "client to configure: "+strings.Join(clientKinds, ", "))
	f.StringVar(&token, "token-file", "", "file that holds the token (default ~/.config/PRINCIPAL/token)")
	f.StringVar(&gate, "gate", "", "gate to use (default: the first with a route that the client can speak to)")
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(clientKinds, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("gate", c.completeObjects("gate"))
	return cmd
}

func (c *command) clientConfig(ctx context.Context, kind, gate, principal, token string) error {
	var gates struct{ Items []specs.Gate }
	var routes struct{ Items []specs.Route }
	if err := c.client().getJSON(ctx, kindPath(specs.KindOf("Gate"), ""), &gates); err != nil {
		return err
	}
	if err := c.client().getJSON(ctx, kindPath(specs.KindOf("Route"), ""), &routes); err != nil {
		return err
	}
	protocol := map[string]specs.RouteProtocol{"openai": specs.ProtocolOpenAI, "anthropic": specs.ProtocolAnthropic,
		"claude-code": specs.ProtocolAnthropic, "mcp": specs.ProtocolMCP}[kind]
	var mine []specs.Route
	address := ""
	for _, g := range gates.Items {
		if gate != "" && g.Name != gate || strings.HasPrefix(g.Status.Address, "/") {
			continue
		}
		for _, r := range routes.Items {
			if r.Spec.Gate == g.Name && r.Spec.Protocol == protocol {
				mine = append(mine, r)
			}
		}
		if len(mine) > 0 {
			address = g.Status.Address
			break
		}
	}
	if len(mine) == 0 {
		return fmt.Errorf("no gate%s has a route of protocol %s that listens on an address", strings.TrimSuffix(" "+gate, " "), protocol)
	}
	if address == "" {
		return fmt.Errorf("gate %q does not listen (yet): see `mirrorctl get gates`", mine[0].Spec.Gate)
	}
	c.printClientConfig(kind, "http://"+address, principal, token, mine)
	return nil
}

func (c *command) printClientConfig(kind, base, principal, token string, routes []specs.Route) {
	secret := `"$(cat ` + token + `)"`
	var models []string
	for _, r := range routes {
		models = append(models, r.Spec.Match.Models...)
	}
	switch kind {
	case "openai":
		fmt.Fprintf(c.Out, "export OPENAI_BASE_URL=%s/v1\nexport OPENAI_API_KEY=%s\n", base, secret)
	case "anthropic":
		fmt.Fprintf(c.Out, "export ANTHROPIC_BASE_URL=%s\nexport ANTHROPIC_API_KEY=%s\n", base, secret)
	case "claude-code":
		fmt.Fprintf(c.Out, "export ANTHROPIC_BASE_URL=%s\nexport ANTHROPIC_AUTH_TOKEN=%s\n", base, secret)
		if len(models) > 0 {
			fmt.Fprintf(c.Out, "export ANTHROPIC_MODEL=%s\n", strings.TrimSuffix(models[0], "*"))
		}
	case "mcp":
		fmt.Fprintln(c.Out, `{`)
		fmt.Fprintln(c.Out, `  "mcpServers": {`)
		for i, r := range routes {
			comma := ","
			if i == len(routes)-1 {
				comma = ""
			}
			fmt.Fprintf(c.Out, "    %q: {\"type\": \"http\", \"url\": %q, \"headers\": {\"Authorization\": \"Bearer ${MIRRORGATE_TOKEN}\"}}%s\n", r.Name, base+r.Spec.Match.Path, comma)
		}
		fmt.Fprintln(c.Out, "  }\n}")
		fmt.Fprintf(c.Err, "set MIRRORGATE_TOKEN to the content of %s\n", token)
		return
	}
	if len(models) > 0 {
		fmt.Fprintf(c.Err, "models: %s\n", strings.Join(models, ", "))
	}
	fmt.Fprintf(c.Err, "make the token with: mirrorctl token create %s --output %s\n", principal, token)
}
