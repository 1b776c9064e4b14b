package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func newWait(c *command) *cobra.Command {
	var what string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait KIND/NAME... [--for condition=Ready]",
		Short: "Wait until objects are as far as you say",
		Example: `  mirrorctl wait process/chat-model
  mirrorctl wait process/web --for condition=Ready=False --timeout 30s
  mirrorctl wait process/web --for delete
  mirrorctl wait process/web --for jsonpath='{.status.readyReplicas}'=2`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, _, err := parseTargets(args, "")
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				return usageError("say what to wait for, such as process/web")
			}
			return c.waitFor(cmd.Context(), targets, what, timeout)
		},
	}
	cmd.Flags().StringVar(&what, "for", "condition=Ready", "condition=TYPE[=STATUS], delete, or jsonpath={PATH}=VALUE")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait; 0 looks once")
	return cmd
}

// goal tells whether an event is what is waited for, and how far things are.
type goal func(watchEvent) (reached bool, progress string, err error)

func parseGoal(what string) (goal, error) {
	kind, rest, _ := strings.Cut(what, "=")
	switch kind {
	case "delete":
		return func(e watchEvent) (bool, string, error) { return e.Type == "DELETED", "is still there", nil }, nil
	case "condition":
		name, status, ok := strings.Cut(rest, "=")
		if name == "" {
			return nil, usageError("--for %s: want condition=TYPE[=STATUS]", what)
		}
		if !ok {
			status = "True"
		}
		return conditionGoal(name, status), nil
	case "jsonpath":
		i := strings.LastIndex(rest, "}=")
		if i < 0 {
			return nil, usageError("--for jsonpath=%s: want jsonpath={PATH}=VALUE", rest)
		}
		return pathGoal(rest[:i+1], rest[i+2:]), nil
	}
	return nil, usageError("--for %s: want condition=TYPE[=STATUS], delete, or jsonpath={PATH}=VALUE", what)
}

func conditionGoal(name, status string) goal {
	return func(e watchEvent) (bool, string, error) {
		var o conditioned
		if err := json.Unmarshal(e.Object, &o); err != nil {
			return false, "", fmt.Errorf("cannot read a watch event: %v", err)
		}
		cond := o.condition(name)
		if cond == nil {
			return false, "has no condition " + name, nil
		}
		return e.Type != "DELETED" && equalFold(string(cond.Status), status), strings.TrimSpace(cond.Reason + "  " + cond.Message), nil
	}
}

func pathGoal(path, want string) goal {
	return func(e watchEvent) (bool, string, error) {
		var o object
		if err := json.Unmarshal(e.Object, &o); err != nil {
			return false, "", fmt.Errorf("cannot read a watch event: %v", err)
		}
		var b strings.Builder
		if err := printPath(&b, path, o); err != nil {
			return false, "", err
		}
		have := strings.TrimSpace(b.String())
		return have == want, "is " + have, nil
	}
}

// waitFor waits for each target in turn; standard error shows how far it is, each change once.
func (c *command) waitFor(ctx context.Context, targets []target, what string, timeout time.Duration) error {
	reached, err := parseGoal(what)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(timeout, time.Second))
	defer cancel()
	for _, t := range targets {
		if err := c.waitOne(ctx, t, what, reached); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s %s\n", t, met(what))
	}
	return nil
}

func met(what string) string {
	if what == "delete" {
		return "deleted"
	}
	return what + " met"
}

func (c *command) waitOne(ctx context.Context, t target, what string, reached goal) error {
	err := c.client().getJSON(ctx, kindPath(t.kind, t.name), nil)
	if isReason(err, metav1.StatusReasonNotFound) && what == "delete" {
		return nil
	}
	if err != nil {
		return err
	}
	last := ""
	err = c.watch(ctx, t, func(e watchEvent) (bool, error) {
		ok, progress, err := reached(e)
		if !ok && progress != last && err == nil {
			fmt.Fprintln(c.Err, paint(c.Err, dim, t.String()+"  "+progress))
		}
		last = progress
		if !ok && e.Type == "DELETED" && err == nil {
			return false, &exitError{exitFalse, t.String() + " was deleted"}
		}
		return ok, err
	})
	var e *exitError
	if errors.As(err, &e) && e.code == exitTimeout {
		return timeoutError("timed out waiting for %s: %s", t, last)
	}
	return err
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
