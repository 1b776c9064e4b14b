package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of mirrorctl and of the operator",
		Example: "  mirrorctl version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(c.Out, "mirrorctl %s %s/%s\n", c.version, runtime.GOOS, runtime.GOARCH)
			var host struct {
				Version string `json:"version"`
			}
			if err := c.client().getJSON(cmd.Context(), "/mirroros/host", &host); err != nil {
				return err
			}
			fmt.Fprintf(c.Out, "mirrorosd %s\n", host.Version)
			return nil
		},
	}
}
