package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newExplain(c *command) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "explain KIND[.FIELD]...",
		Short: "Describe a kind or a field of it, without an operator",
		Example: `  mirrorctl explain process
  mirrorctl explain process.spec.readinessProbe.httpGet
  mirrorctl explain stack --recursive`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeKinds,
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := specs.Explain(args[0], recursive)
			if err != nil {
				return usageError("%v", err)
			}
			_, err = fmt.Fprint(c.Out, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "list the fields of fields too")
	return cmd
}

func completeKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, k := range specs.Kinds {
		out = append(out, k.Singular)
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
