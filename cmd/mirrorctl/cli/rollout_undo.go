package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newRolloutUndo(c *command) *cobra.Command {
	var a specs.UndoRequest
	cmd := &cobra.Command{
		Use:   "undo [stack/NAME]",
		Short: "Put an older revision in force again",
		Long: `undo says what going back will do, and does it. The files stay as they are, and what they hold now is not put in force again by itself: an edit
goes on, and so does "rollout retry". Revoked tokens, secrets and other files that processes read, and programs are not restored.
With --prune and --plan it agrees to a removal that was stopped.`,
		Example: `  mirrorctl rollout undo                         # to the last good revision
  mirrorctl rollout undo stack/home --to-revision 41
  mirrorctl rollout undo --to-revision 41 --dry-run`,
		Args:              asUsage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: c.completeObjects("stack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.Prune && a.Plan == "" {
				return usageError("--prune needs --plan DIGEST, which undo shows when it stops at a removal")
			}
			stack, err := c.rolledStack(cmd.Context(), args)
			if err != nil {
				return err
			}
			return c.undo(cmd.Context(), stack, a)
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Revision, "to-revision", "", "the revision to go back to (default last-good)")
	f.BoolVar(&a.DryRun, "dry-run", false, "say what would happen and change nothing")
	f.BoolVar(&a.Prune, "prune", false, "agree to a removal that was stopped; needs --plan")
	f.StringVar(&a.Plan, "plan", "", "the digest of the plan that is agreed to")
	_ = cmd.RegisterFlagCompletionFunc("to-revision", func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		stack := ""
		if len(args) > 0 {
			stack = args[0]
		}
		return c.completeRevisions(&stack)(cmd, nil, word)
	})
	return cmd
}

// undo shows the plan first, and then acts by that plan alone.
func (c *command) undo(ctx context.Context, stack string, a specs.UndoRequest) error {
	dry := a
	dry.DryRun, dry.Prune = true, false
	u, err := c.askUndo(ctx, stack, dry)
	if err != nil {
		return err
	}
	if u.Message == "" {
		fmt.Fprintf(c.Out, "stack/%s  %s -> %s\n%s", stack, revisionName(&u.From), revisionName(&u.To), u.Text)
	}
	if !a.DryRun && u.Message == "" {
		a.Plan = u.Plan
		if u, err = c.askUndo(ctx, stack, a); err != nil {
			return err
		}
	}
	if u.Message != "" {
		fmt.Fprintf(c.Out, "stack/%s %s\n", stack, strings.TrimRight(u.Message, "\n"))
	}
	return nil
}

func (c *command) askUndo(ctx context.Context, stack string, a specs.UndoRequest) (u specs.Undone, err error) {
	body, err := json.Marshal(a)
	if err != nil {
		return u, fmt.Errorf("cannot make the request: %v", err)
	}
	return u, c.client().callJSON(ctx, request{method: http.MethodPost, path: stackPath(stack, "undo"), contentType: "application/json", body: body}, &u)
}
