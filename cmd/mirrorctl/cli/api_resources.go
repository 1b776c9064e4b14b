package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newAPIResources(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "api-resources",
		Short:   "List the kinds",
		Example: "  mirrorctl api-resources",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var rows [][]string
			for _, k := range specs.Kinds {
				version := strings.TrimPrefix(k.Group+"/"+k.Version, "/")
				writer := "you"
				if k.OperatorOnly {
					writer = "the operator"
				} else if k.APIOnly {
					writer = "programs"
				}
				rows = append(rows, []string{k.Plural, strings.Join(k.ShortNames, ","), version, fmt.Sprint(k.Namespaced), k.Kind, writer})
			}
			columns(c.Out, []string{"NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "WRITTEN BY"}, rows)
			return nil
		},
	}
}
