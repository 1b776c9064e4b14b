package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func newBudgetReset(c *command) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "reset NAME --reason TEXT",
		Short: "Have a budget forget what was used, for all its accounts",
		Long: `reset is the only way to forget what was used. Who did it and why is in the operator's audit log before it is done. What was used stays in
the history, and counts in every other budget. To let more through for good, raise the limit in the manifest.`,
		Example: "  mirrorctl budget reset agents --reason 'the loop is mended'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError("say why with --reason TEXT; it is recorded")
			}
			name := budgetName(args[0])
			body, err := json.Marshal(object{"reason": reason})
			if err != nil {
				return fmt.Errorf("cannot encode the request: %v", err)
			}
			if err := c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: budgetPath(name) + "/reset", contentType: "application/json", body: body}, nil); err != nil {
				return err
			}
			fmt.Fprintf(c.Out, "tokenbudget/%s reset\n", name)
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	return c.newBudgetName(cmd)
}
