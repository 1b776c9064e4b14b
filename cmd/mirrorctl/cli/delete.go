package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

type deleteOptions struct {
	files   []string
	ignore  bool
	dryRun  string
	wait    bool
	timeout time.Duration
}

func newDelete(c *command) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "delete KIND/NAME... | -f FILE",
		Short: "Delete objects that were made through the API",
		Long:  "An object that a stack's file declares is not deleted here: remove its document, or the operator would bring it back.",
		Example: `  mirrorctl delete process/web
  mirrorctl delete -f web.yaml --wait`,
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.dryRun != "none" && o.dryRun != "server" {
				return usageError("--dry-run=%s: want server or none", o.dryRun)
			}
			targets, err := c.deleteTargets(o, args)
			if err != nil {
				return err
			}
			return c.delete(cmd.Context(), o, targets)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "delete what these files declare")
	f.BoolVar(&o.ignore, "ignore-not-found", false, "what is not there counts as deleted")
	f.BoolVar(&o.wait, "wait", true, "wait until the processes have stopped")
	f.StringVar(&o.dryRun, "dry-run", "none", "server: change nothing")
	f.Lookup("dry-run").NoOptDefVal = "server"
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long --wait waits")
	return cmd
}

// deleteTargets are the objects named and those that the files declare.
func (c *command) deleteTargets(o deleteOptions, args []string) ([]target, error) {
	targets, _, err := parseTargets(args, "")
	if err != nil {
		return nil, err
	}
	if len(o.files) > 0 {
		files, err := c.readManifests(o.files)
		if err != nil {
			return nil, err
		}
		docs, err := c.loadManifests(files)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			targets = append(targets, target{specs.KindOf(d.Kind), d.Name})
		}
	}
	if len(targets) == 0 {
		return nil, usageError("say what to delete, such as process/web")
	}
	return targets, nil
}

func (c *command) delete(ctx context.Context, o deleteOptions, targets []target) error {
	query, done := "", "deleted"
	if o.dryRun == "server" {
		query, done = "?dryRun=All", "deleted (server dry run)"
	}
	for _, t := range targets {
		err := c.client().callJSON(ctx, request{method: http.MethodDelete, path: kindPath(t.kind, t.name) + query}, nil)
		if o.ignore && isReason(err, metav1.StatusReasonNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s %s\n", t, done)
	}
	if !o.wait || o.dryRun == "server" {
		return nil
	}
	return c.waitStopped(ctx, targets, o.timeout)
}
