package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newRestart(c *command) *cobra.Command {
	var selector string
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "restart PROCESS... | -l SELECTOR",
		Short: "Start the instances of processes again, in place",
		Long:  "Every instance that was started before now is stopped and started again, with the same name and ports. A crash back-off ends.",
		Example: `  mirrorctl restart redis
  mirrorctl restart -l tier=model --wait`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeObjects("processes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := c.processTargets(cmd.Context(), args, selector)
			if err != nil {
				return err
			}
			at := c.now().UTC()
			for _, t := range targets {
				patch := annotate(map[string]any{specs.AnnotationRestartedAt: at.Format(time.RFC3339Nano)})
				if err := c.patchObject(cmd.Context(), t, patch, nil); err != nil {
					return err
				}
				fmt.Fprintf(c.Out, "%s restarts\n", t)
			}
			if !wait {
				return nil
			}
			return c.waitRestarted(cmd.Context(), targets, at, timeout)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&selector, "selector", "l", "", "all processes with these labels")
	f.BoolVar(&wait, "wait", false, "wait until every instance has been started again and is ready")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return cmd
}

// processTargets are the processes named or selected.
func (c *command) processTargets(ctx context.Context, args []string, selector string) ([]target, error) {
	targets, err := c.selectTargets(ctx, args, "process", selector)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if t.kind.Kind != "Process" {
			return nil, usageError("%s is no process", t)
		}
	}
	return targets, nil
}

// waitRestarted waits until all instances of the targets run since at or later, and are ready.
func (c *command) waitRestarted(ctx context.Context, targets []target, at time.Time, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, t := range targets {
		var p specs.Process
		if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &p); err != nil {
			return err
		}
		last := ""
		err := c.followInstances(ctx, specs.LabelProcess+"="+t.name, func(all map[string]*specs.Instance) bool {
			again := 0
			for _, i := range all {
				if startedSince(&i.Status, at) {
					again++
				}
			}
			if text := fmt.Sprintf("%s  %d of %d started again", t, again, p.DesiredReplicas()); text != last {
				last = text
				fmt.Fprintln(c.Err, paint(c.Err, dim, text))
			}
			return again == len(all) && again >= int(p.DesiredReplicas())
		})
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		fmt.Fprintf(c.Out, "%s restarted\n", t)
	}
	return nil
}

// startedSince tells whether an instance was started at or later and is ready, or has ended well since.
func startedSince(s *specs.InstanceStatus, at time.Time) bool {
	at = at.Truncate(time.Second)
	if r := s.State.Running; r != nil {
		return s.Ready && !r.StartedAt.Time.Before(at)
	}
	x := s.State.Terminated
	return x != nil && x.Reason == specs.ReasonCompleted && !x.StartedAt.Time.Before(at)
}

func newReload(c *command) *cobra.Command {
	var selector string
	cmd := &cobra.Command{
		Use:   "reload PROCESS... | -l SELECTOR",
		Short: "Have processes read their configuration again, as spec.reload says",
		Example: `  mirrorctl reload nginx
  mirrorctl reload -l tier=web`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: c.completeObjects("processes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := c.processTargets(cmd.Context(), args, selector)
			if err != nil {
				return err
			}
			var failed []string
			for _, t := range targets {
				err := c.reload(cmd.Context(), t)
				if err != nil && len(targets) == 1 {
					return err
				}
				if err != nil {
					failed = append(failed, t.String())
					fmt.Fprintln(c.Err, "error:", err)
					continue
				}
				fmt.Fprintf(c.Out, "%s reloaded\n", t)
			}
			if len(failed) > 0 {
				return &exitError{exitFalse, "not reloaded: " + strings.Join(failed, ", ")}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "all processes with these labels")
	return cmd
}

func (c *command) reload(ctx context.Context, t target) error {
	var p specs.Process
	if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &p); err != nil {
		return err
	}
	if p.Spec.Reload == nil {
		return &exitError{exitFalse, t.String() + " has no spec.reload, which says how it is told; `mirrorctl explain process.spec.reload`"}
	}
	return c.client().callJSON(ctx, request{method: http.MethodPost, path: kindPath(t.kind, t.name) + "/reload"}, nil)
}
