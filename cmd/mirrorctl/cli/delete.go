package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

func newDelete(c *command) *cobra.Command {
	var files []string
	var ignore, wait bool
	var dryRun string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "delete KIND/NAME... | -f FILE",
		Short: "Delete objects that were made through the API",
		Long:  "An object that a stack's file declares is not deleted here: remove its document, or the operator would bring it back.",
		Example: `  mirrorctl delete process/web
  mirrorctl delete -f web.yaml --wait`,
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, _, err := parseTargets(args, "")
			if err != nil {
				return err
			}
			if len(files) > 0 {
				read, err := c.readManifests(files)
				if err != nil {
					return err
				}
				docs, err := c.loadManifests(read)
				if err != nil {
					return err
				}
				for _, d := range docs {
					targets = append(targets, target{specs.KindOf(d.Kind), d.Name})
				}
			}
			if len(targets) == 0 {
				return usageError("say what to delete, such as process/web")
			}
			query, done := "", "deleted"
			if dryRun == "server" {
				query, done = "?dryRun=All", "deleted (server dry run)"
			} else if dryRun != "none" {
				return usageError("--dry-run=%s: want server or none", dryRun)
			}
			for _, t := range targets {
				err := c.client().callJSON(cmd.Context(), request{method: http.MethodDelete, path: kindPath(t.kind, t.name) + query}, nil)
				if ignore && isReason(err, metav1.StatusReasonNotFound) {
					continue
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(c.Out, "%s %s\n", t, done)
			}
			if !wait || dryRun == "server" {
				return nil
			}
			return c.waitStopped(cmd.Context(), targets, timeout)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&files, "filename", "f", nil, "delete what these files declare")
	f.BoolVar(&ignore, "ignore-not-found", false, "what is not there counts as deleted")
	f.BoolVar(&wait, "wait", true, "wait until the processes have stopped")
	f.StringVar(&dryRun, "dry-run", "none", "server: change nothing")
	f.DurationVar(&timeout, "timeout", 2*time.Minute, "how long --wait waits")
	return cmd
}
