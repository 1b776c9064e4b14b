package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

func newRolloutDiff(c *command) *cobra.Command {
	var output, stack string
	cmd := &cobra.Command{
		Use:   "diff [FROM TO]",
		Short: "Show what two revisions have differently, object by object",
		Long: `diff compares what the manifests say; comments and the order of fields do not count. Without arguments: live and disk. Exit code 0: nothing
differs; 1: something does, or the files are refused.`,
		Example: `  mirrorctl rollout diff
  mirrorctl rollout diff 41 live
  mirrorctl rollout diff last-good 3f2a91c --stack home`,
		Args: asUsage(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return fmt.Errorf("want two revisions, or none for live and disk")
			}
			return cobra.MaximumNArgs(2)(cmd, args)
		}),
		ValidArgsFunction: c.completeRevisions(&stack),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{specs.RevisionLive, specs.RevisionDisk}
			}
			return c.rolloutDiff(cmd.Context(), stack, args[0], args[1], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	c.stackFlag(cmd, &stack)
	return cmd
}

func (c *command) rolloutDiff(ctx context.Context, stack, from, to, output string) error {
	name, err := c.rolledStack(ctx, words(stack))
	if err != nil {
		return err
	}
	var d specs.RevisionDiff
	if err := c.client().getJSON(ctx, stackPath(name, "revisions", from, "diff", to), &d); err != nil {
		return err
	}
	if output != "" {
		if err := printObject(c.Out, output, d); err != nil {
			return err
		}
	} else {
		for i := range d.Changes {
			c.printRevisionChange(&d, &d.Changes[i])
		}
	}
	if len(d.Changes) > 0 {
		return errFalse
	}
	return nil
}

// printRevisionChange prints one object as two revisions have it.
func (c *command) printRevisionChange(d *specs.RevisionDiff, o *specs.RevisionChange) {
	name := strings.ToLower(o.Kind) + "/" + o.Name
	head := func(sign string, r *specs.Revision, m *specs.RevisionManifest) string {
		place := "not there"
		if m != nil {
			place = m.Place
		}
		return paint(c.Out, dim, fmt.Sprintf("%s %s  %s  %s", sign, name, revisionName(r), place))
	}
	fmt.Fprintln(c.Out, head("---", &d.From, o.From))
	fmt.Fprintln(c.Out, head("+++", &d.To, o.To))
	c.printDiff(diffLines(lines(declaredText(o.From)), lines(declaredText(o.To))))
}

// declaredText is what a document says, as YAML in the order of names.
func declaredText(m *specs.RevisionManifest) string {
	if m == nil {
		return ""
	}
	b, _ := yaml.Marshal(m.Declared)
	return strings.TrimRight(string(b), "\n")
}

// printDiff prints lines that begin with ' ', '-' or '+', in colour where that is wanted.
func (c *command) printDiff(diff []string) {
	for _, l := range diff {
		switch l[0] {
		case '-':
			l = paint(c.Out, red, l)
		case '+':
			l = paint(c.Out, green, l)
		}
		fmt.Fprintln(c.Out, l)
	}
}
