package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newDown(c *command) *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "down",
		Aliases: []string{"shutdown"},
		Short:   "Stop all workloads in order, then the operator",
		Long: `down stops what depends on others first, each with its grace period, and then ends the operator and its guardian.
"mirrorctl help stopping" tells what else stops things. When a service manager runs the operator, stop it there too, or it starts again.`,
		Example: `  mirrorctl down
  mirrorctl shutdown --timeout 10m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.down(cmd.Context(), wait, timeout)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", true, "wait until the operator has ended")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return cmd
}

func (c *command) down(ctx context.Context, wait bool, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	instances, err := listOf[specs.Instance](ctx, c, "")
	if err != nil {
		return err
	}
	running := map[string]int{}
	for _, i := range instances {
		if i.Status.PID != 0 {
			running[i.Name] = int(i.Status.PID)
		}
	}
	if !wait {
		if err := c.askShutdown(ctx); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s stopping, then the operator\n", areOf(len(running)))
		return nil
	}
	if err := c.waitDown(ctx, len(running)); err != nil {
		return err
	}
	var left []string
	for name, pid := range running {
		if leads(pid) {
			left = append(left, fmt.Sprintf("%s (pid %d)", name, pid))
		}
	}
	slices.Sort(left)
	fmt.Fprintf(c.Out, "%s stopped; the operator has ended\n", count(len(running)-len(left), "instance"))
	if len(left) > 0 {
		return &exitError{exitFalse, "still running: " + strings.Join(left, ", ")}
	}
	return nil
}

func areOf(n int) string {
	if n == 1 {
		return "1 instance is"
	}
	return fmt.Sprintf("%d instances are", n)
}

func (c *command) askShutdown(ctx context.Context) error {
	return c.client().callJSON(ctx, request{method: http.MethodPost, path: "/mirroros/shutdown"}, nil)
}

// waitDown asks for the end and waits for it. A watch of the instances shows how far it is, also when another operator has to finish it.
func (c *command) waitDown(ctx context.Context, running int) error {
	var host hostProcesses
	if err := c.client().getJSON(ctx, "/mirroros/host", &host); err != nil {
		return err
	}
	follow, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		last := -1
		f := followingInstances("", func(all map[string]*specs.Instance) bool {
			left := 0
			for _, i := range all {
				if i.Status.PID != 0 {
					left++
				}
			}
			if left != last {
				last = left
				fmt.Fprintln(c.Err, paint(c.Err, dim, fmt.Sprintf("%d of %d still running", left, running)))
			}
			return false
		})
		f.quiet = true
		_ = c.follow(follow, f)
	}()
	defer func() { stop(); <-ended }()
	err := c.askShutdown(ctx)
	var refused *apiError
	var e *exitError
	if errors.As(err, &refused) || errors.As(err, &e) && e.code != exitNoOperator {
		return err // a connection that breaks off is the operator ending
	}
	return c.waitGone(ctx, host)
}

// hostProcesses are the operator and its guardian, by which one that has ended is told from one that is started again.
type hostProcesses struct {
	PID         int `json:"pid"`
	GuardianPID int `json:"guardianPid"`
}

// waitGone waits until nobody answers and nobody is left who could start an operator: neither the guardian, nor the operator, which becomes
// one when the guardian dies.
func (c *command) waitGone(ctx context.Context, host hostProcesses) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.client().getJSON(ctx, "/mirroros/host", &host)
		if err != nil && ctx.Err() == nil && !alive(host.PID) && !alive(host.GuardianPID) {
			return nil
		}
		select {
		case <-ctx.Done():
			return timeoutError("timed out: the operator still runs, with %s", c.socketPath())
		case <-tick.C:
		}
	}
}
