package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newRollout(c *command) *cobra.Command {
	make := []func(*command) *cobra.Command{newRolloutStatus, newRolloutHistory, newRolloutShow, newRolloutDiff, newRolloutUndo, newRolloutRetry,
		newRolloutAct(specs.RolloutPause, "Write no further wave, and let no deadline run", "What is in force stays in force. An edit of a file begins another rollout, which is not paused."),
		newRolloutAct(specs.RolloutResume, "End a pause", ""),
		newRolloutAct(specs.RolloutAbort, "Go back to the revision before, and hold what this one changed",
			"abort puts the revision before back in reverse order. What the rollout changed is held until it is edited, or \"mirrorctl rollout retry\"."),
		newRolloutAct(specs.RolloutRestart, "Put the revision before back, and begin again from the first wave",
			"To restart the instances of a process, use \"mirrorctl restart\"."),
	}
	cmd := &cobra.Command{
		Use:   "rollout status|history|show|diff|undo|retry|pause|resume|abort|restart",
		Short: "Look at and steer a rollout, look at the revisions of a stack, and go back to one",
		Long: `Each content of a stack that was put in force is a revision with a number. A revision may also be named by the first letters (7 or more) of
its digest or commit, or as live (in force), disk (what the files hold) or last-good (the one before live that had all of its objects ready).
None of this needs git.`,
		Example: `  mirrorctl rollout history
  mirrorctl rollout diff live disk
  mirrorctl rollout undo`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	for _, mk := range make {
		cmd.AddCommand(mk(c))
	}
	return cmd
}

// stackFlag is --stack, of the verbs whose arguments are revisions.
func (c *command) stackFlag(cmd *cobra.Command, stack *string) {
	cmd.Flags().StringVar(stack, "stack", "", "the stack (default: the only one there is)")
	_ = cmd.RegisterFlagCompletionFunc("stack", c.completeObjects("stack"))
}

// rolledStack is the stack that is meant: named, or the only one there is. The revisions of a process are those of its stack.
func (c *command) rolledStack(ctx context.Context, args []string) (string, error) {
	if len(args) > 0 {
		targets, kind, err := parseTargets(args[:1], "stack")
		if err != nil {
			return "", err
		}
		if kind.Kind != "Stack" {
			return "", usageError("%s: revisions are those of a whole stack; name one as stack/NAME", targets[0])
		}
	}
	return c.oneStack(ctx, args, "")
}

func stackPath(stack string, more ...string) string {
	path := kindPath(specs.KindOf("Stack"), url.PathEscape(stack))
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

func (c *command) revisions(ctx context.Context, stack string) (list specs.RevisionList, err error) {
	return list, c.client().getJSON(ctx, stackPath(stack, "revisions"), &list)
}

// completeRevisions completes the names of the revisions of a stack, with what became of each.
func (c *command) completeRevisions(stack *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		var named []string
		if *stack != "" {
			named = []string{*stack}
		}
		name, err := c.rolledStack(cmd.Context(), named)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := c.revisions(cmd.Context(), name)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words := []string{specs.RevisionLive + "\tin force", specs.RevisionDisk + "\twhat the files hold", specs.RevisionLastGood + "\twhere undo goes back to"}
		for _, k := range slices.Backward(list.Items) {
			words = append(words, fmt.Sprintf("%d\t%s, %s", k.Number, k.Short(), fate(&k)))
		}
		return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, word) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// fate is what became of a revision, in words.
func fate(k *specs.KeptRevision) string {
	switch {
	case k.Live:
		return "live"
	case k.Outcome != "":
		return k.Outcome
	}
	return "not in force"
}

// revisionName is a revision as people say it.
func revisionName(r *specs.Revision) string {
	if r.Number == 0 {
		return r.Short()
	}
	return fmt.Sprintf("revision %d (%s)", r.Number, r.Short())
}

func newRolloutHistory(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "history [stack/NAME]",
		Short: "List the revisions that are kept: when, of which commit, by whom, and what became of each",
		Example: `  mirrorctl rollout history
  mirrorctl rollout history stack/home -o json | jq '.items[] | select(.good)'`,
		Args:              asUsage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: c.completeObjects("stack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			stack, err := c.rolledStack(cmd.Context(), args)
			if err != nil {
				return err
			}
			list, err := c.revisions(cmd.Context(), stack)
			if err != nil {
				return err
			}
			if output != "" {
				return printObject(c.Out, output, list)
			}
			c.printHistory(&list)
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *command) printHistory(list *specs.RevisionList) {
	if len(list.Items) == 0 {
		fmt.Fprintf(c.Err, "Nothing of stack/%s was in force yet.\n", list.Stack)
		return
	}
	var rows [][]string
	for i := range list.Items {
		k := &list.Items[i]
		commit, by, good := "<none>", "files", ""
		if k.Commit != "" {
			commit = revisionText(&k.Revision)
		}
		if k.By != "" {
			by = k.By
		}
		if k.Good {
			good = "yes"
		}
		age := "<unknown>"
		if !k.Time.IsZero() {
			age = c.age(k.Time)
		}
		rows = append(rows, []string{fmt.Sprint(k.Number), k.Digest[:min(7, len(k.Digest))], commit, age, by, k.Message, good, fate(k)})
	}
	columns(c.Out, []string{"REVISION", "DIGEST", "COMMIT", "AGE", "BY", "CHANGE", "READY", "OUTCOME"}, rows)
}

func newRolloutShow(c *command) *cobra.Command {
	var output, stack string
	cmd := &cobra.Command{
		Use:   "show REVISION",
		Short: "Print the manifests of a revision",
		Long:  "show lists the objects of a revision; with -o yaml it prints their documents as the files had them, comments and all.",
		Example: `  mirrorctl rollout show last-good
  mirrorctl rollout show 41 -o yaml > rev41.yaml`,
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeRevisions(&stack),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			return c.rolloutShow(cmd.Context(), stack, args[0], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "yaml or json")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	c.stackFlag(cmd, &stack)
	return cmd
}

func (c *command) rolloutShow(ctx context.Context, stack, revision, output string) error {
	name, err := c.rolledStack(ctx, words(stack))
	if err != nil {
		return err
	}
	var m specs.RevisionManifests
	if err := c.client().getJSON(ctx, stackPath(name, "revisions", revision), &m); err != nil {
		return err
	}
	switch output {
	case "json":
		return printObject(c.Out, output, m)
	case "yaml":
		fmt.Fprintf(c.Out, "# %s of stack/%s\n", revisionName(&m.Revision), m.Stack)
		for i, d := range m.Items {
			if i > 0 {
				fmt.Fprintln(c.Out, "---")
			}
			fmt.Fprintf(c.Out, "# %s\n%s\n", d.Place, strings.TrimRight(d.Text, "\n"))
		}
		return nil
	}
	var rows [][]string
	for _, d := range m.Items {
		rows = append(rows, []string{d.Kind, d.Name, d.Place})
	}
	columns(c.Out, []string{"KIND", "NAME", "FILE"}, rows)
	return nil
}

// words are the arguments of a flag that may be empty.
func words(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func newRolloutRetry(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "retry [stack/NAME]",
		Short: "Put in force what the files hold, though it failed or somebody went back from it",
		Long: `After "rollout undo", or when a change failed and was put back, the files still hold what was gone back from. That content is held: it is not
put in force again by itself. An edit of a file goes on by itself, without the objects that failed; retry puts all in force as it is.`,
		Example:           "  mirrorctl rollout retry",
		Args:              asUsage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: c.completeObjects("stack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			stack, err := c.rolledStack(cmd.Context(), args)
			if err != nil {
				return err
			}
			var answer struct{ Revision, Message string }
			err = c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: stackPath(stack, "retry")}, &answer)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.Out, "stack/%s %s\n", stack, answer.Message)
			return nil
		},
	}
}
