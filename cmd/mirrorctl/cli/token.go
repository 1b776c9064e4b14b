package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"mirroros.dev/mirroros/specs"
)

func newToken(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token create|list|revoke",
		Short: "Make, list and revoke the tokens of principals",
		Long: `A token lets its holder through the gates as a principal. It is shown once, when it is made; the operator keeps its digest.
Instances of processes have tokens of their own ($MIRROROS_TOKEN_FILE), which are not listed here.`,
		Example: "  mirrorctl token create coder --ttl 720h --output ~/.config/coder/token\n  mirrorctl token list\n  mirrorctl token revoke coder --all",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say what to do: `mirrorctl token create PRINCIPAL`, `token list` or `token revoke PRINCIPAL ID`")
			}
			return usageError("token has no %q: create, list or revoke", args[0])
		},
	}
	cmd.AddCommand(newTokenCreate(c), newTokenList(c), newTokenRevoke(c))
	return cmd
}

func newTokenCreate(c *command) *cobra.Command {
	var o struct {
		ttl            time.Duration
		scope          []string
		output, reason string
	}
	cmd := &cobra.Command{
		Use:   "create PRINCIPAL",
		Short: "Make a token and print it, once, alone on standard output",
		Example: `  mirrorctl token create coder --ttl 720h --output ~/.config/coder/token
  OPENAI_API_KEY=$(mirrorctl token create scout --ttl 1h --scope chat)`,
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeObjects("principal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("ttl") && o.ttl <= 0 {
				return usageError("--ttl %s: want a duration such as 720h", o.ttl)
			}
			body, err := json.Marshal(specs.TokenRequest{TTL: metav1.Duration{Duration: o.ttl}, Scope: o.scope, Reason: o.reason})
			if err != nil {
				return fmt.Errorf("cannot encode the request: %v", err)
			}
			if o.output != "" { // before the token is made: one that cannot be kept would be lost
				if err := writable(o.output); err != nil {
					return err
				}
			}
			var t specs.IssuedToken
			err = c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: principalPath(args[0]) + "/token",
				contentType: "application/json", body: body}, &t)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.Err, "token %s of %s, until %s\n", t.ID, t.Principal, t.Expires.Local().Format("2006-01-02 15:04"))
			if o.output == "" {
				_, err = fmt.Fprintln(c.Out, t.Text)
				return err
			}
			return writeSecret(o.output, t.Text)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.ttl, "ttl", 0, "how long it is valid (default and most: the principal's tokens.maxTTL)")
	f.StringSliceVar(&o.scope, "scope", nil, "routes that it is good for; may be repeated (default all)")
	f.StringVarP(&o.output, "output", "o", "", "write it into this file, readable by you alone, instead of printing it")
	f.StringVar(&o.reason, "reason", "", "what it is for")
	_ = cmd.RegisterFlagCompletionFunc("scope", c.completeObjects("route"))
	return cmd
}

// writable tells beforehand whether a file can be made.
func writable(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".token-")
	if err != nil {
		return fmt.Errorf("cannot write %q: %v; no token was made", path, err)
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// writeSecret puts a file in place that only the user can read.
func writeSecret(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-") // 0600
	if err == nil {
		defer os.Remove(f.Name()) // gone when all went well
		_, err = f.WriteString(text + "\n")
		if e := f.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = os.Rename(f.Name(), path)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write %q: %v; the token is lost, revoke it and make another", path, err)
	}
	return nil
}

func principalPath(name string) string { return kindPath(specs.KindOf("Principal"), name) }

func newTokenList(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:               "list [PRINCIPAL]",
		Short:             "List valid tokens, never their texts",
		Example:           "  mirrorctl token list\n  mirrorctl token list coder -o json",
		Args:              asUsage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: c.completeObjects("principal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			path := "/mirroros/tokens"
			if len(args) == 1 {
				path = principalPath(args[0]) + "/tokens"
			}
			var list struct {
				Items []specs.Token `json:"items"`
			}
			if err := c.client().getJSON(cmd.Context(), path, &list); err != nil {
				return err
			}
			if output != "" {
				return printObject(c.Out, output, list)
			}
			if len(list.Items) == 0 {
				fmt.Fprintln(c.Err, "No tokens.")
				return nil
			}
			var rows [][]string
			for _, t := range list.Items {
				scope := strings.Join(t.Scope, ",")
				if scope == "" {
					scope = "all routes"
				}
				rows = append(rows, []string{t.ID, t.Principal, scope, duration.HumanDuration(t.Expires.Sub(c.now())), duration.HumanDuration(c.now().Sub(t.Created)), orDash(t.Reason)})
			}
			columns(c.Out, []string{"ID", "PRINCIPAL", "SCOPE", "EXPIRES IN", "AGE", "REASON"}, rows)
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	return cmd
}

func orDash(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

func newTokenRevoke(c *command) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:               "revoke PRINCIPAL ID...",
		Short:             "Take tokens away; open streams of them end at once",
		Example:           "  mirrorctl token revoke coder 3f2a91c0d1e2\n  mirrorctl token revoke coder --all",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeTokens,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 1) {
				return usageError("say which tokens of %s to revoke: ids, as `mirrorctl token list %s` tells them, or --all", args[0], args[0])
			}
			body, err := json.Marshal(object{"ids": args[1:]})
			if err != nil {
				return fmt.Errorf("cannot encode the request: %v", err)
			}
			var done struct {
				Revoked []string `json:"revoked"`
			}
			err = c.client().callJSON(cmd.Context(), request{method: http.MethodDelete, path: principalPath(args[0]) + "/tokens", contentType: "application/json", body: body}, &done)
			if err != nil {
				return err
			}
			for _, id := range done.Revoked {
				fmt.Fprintf(c.Out, "token %s of %s revoked\n", id, args[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every token of the principal")
	return cmd
}

// completeTokens completes a principal, then the ids of its tokens.
func (c *command) completeTokens(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.completeObjects("principal")(cmd, args, word)
	}
	var list struct {
		Items []specs.Token `json:"items"`
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	if c.client().getJSON(ctx, principalPath(args[0])+"/tokens", &list) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, t := range list.Items {
		if strings.HasPrefix(t.ID, word) {
			ids = append(ids, t.ID)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
