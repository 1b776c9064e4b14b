package cli

import (
	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/controllers/process/sandbox"
)

// sandboxLevels are those that can be probed.
var sandboxLevels = []string{sandbox.None.String(), sandbox.Restricted.String(), sandbox.Strict.String(), sandbox.Isolated.String()}

func newSandbox(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try what a sandbox blocks on this host",
		Long:  "sandbox tries what the levels of spec.sandbox of a Process block: see `mirrorctl explain process.spec.sandbox`.",
	}
	var guard, output string
	probe := &cobra.Command{
		Use:   "probe LEVEL",
		Short: "Attack from within a sandbox of a level, and say of each attempt whether it was blocked",
		Long: `probe makes files, sockets and a process, tries to get at them from within a sandbox as the present user, and removes them. It needs no
operator. Exit code 1: something is open that the level says it blocks.`,
		Example: `  mirrorctl sandbox probe Strict
  sudo mirrorctl sandbox probe Isolated -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(sandboxLevels, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			level, ok := sandbox.ParseLevel(args[0])
			if !ok {
				return usageError("no level %q: want one of %v", args[0], sandboxLevels)
			}
			return c.probeSandbox(level, guard, output)
		},
	}
	probe.Flags().StringVar(&guard, "guard", "", "the program mirrorguard (default: beside this one, else in the PATH)")
	probe.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	attack := &cobra.Command{
		Use:               "attack TARGET",
		Short:             "Attack what probe has made, from where this program runs; probe starts it",
		Example:           "  mirrorctl sandbox attack TARGET",
		Hidden:            true,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(_ *cobra.Command, args []string) error { return c.attack(args[0]) },
	}
	cmd.AddCommand(probe, attack)
	return cmd
}
