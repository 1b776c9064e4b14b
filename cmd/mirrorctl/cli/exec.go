package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newExec(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec PROCESS|instance/NAME -- COMMAND [ARG...]",
		Short: "Run a command as a process runs: same user, environment and directory",
		Long: `exec runs a command on this host with the user, groups, environment and directory of a running instance; of a process with several,
the first. The exit code is the command's. It needs to be root or the instance's own user.`,
		Example: `  mirrorctl exec redis -- id
  mirrorctl exec chat-model -- sh -c 'curl -s 127.0.0.1:$PORT_HTTP/health'`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeObjects("processes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n > 1 || n < 0 && len(args) > 1 {
				return usageError("write -- before the command: mirrorctl exec %s -- %s", args[0], strings.Join(args[max(n, 1):], " "))
			}
			if len(args) < 2 {
				return usageError("say what to run: mirrorctl exec %s -- COMMAND", args[0])
			}
			i, err := c.runningInstance(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.execIn(i, args[1:])
		},
	}
	return cmd
}

// runningInstance is the instance named, or the first of the process named that runs.
func (c *command) runningInstance(ctx context.Context, word string) (*specs.Instance, error) {
	targets, kind, err := parseTargets([]string{word}, "process")
	if err != nil {
		return nil, err
	}
	t := targets[0]
	if kind.Kind == "Instance" {
		var i specs.Instance
		if err := c.client().getJSON(ctx, kindPath(kind, t.name), &i); err != nil {
			return nil, err
		}
		if i.Status.PID == 0 {
			return nil, &exitError{exitFalse, fmt.Sprintf("%s does not run: %s", t, i.Status.Word())}
		}
		return &i, nil
	}
	if kind.Kind != "Process" {
		return nil, usageError("%s does not run: a process or an instance does", t)
	}
	if err := c.client().getJSON(ctx, kindPath(kind, t.name), nil); err != nil {
		return nil, err
	}
	list, err := listOf[specs.Instance](ctx, c, specs.LabelProcess+"="+t.name)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b specs.Instance) int {
		return cmp.Or(cmp.Compare(a.Spec.Ordinal, b.Spec.Ordinal), cmp.Compare(a.Name, b.Name))
	})
	for i := range list {
		if list[i].Status.PID != 0 {
			return &list[i], nil
		}
	}
	if len(list) > 0 {
		return nil, &exitError{exitFalse, fmt.Sprintf("no instance of %s runs: %s is %s", t, list[0].Name, list[0].Status.Word())}
	}
	return nil, &exitError{exitFalse, fmt.Sprintf("%s has no instance", t)}
}
