package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"mirroros.dev/mirroros/specs"
)

func newRolloutStatus(c *command) *cobra.Command {
	var watch bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status [stack/NAME]",
		Short: "Say how far a rollout is; without a name, whatever is on its way",
		Long: `Exit code 0: nothing is on its way, or all of it is in force and ready; 1: it failed and was put back, another took its place, or it is not at
its end; 4: timed out. With -w it is followed to its end, and where it waits for a person the choices are listed.`,
		Example: `  mirrorctl rollout status
  mirrorctl rollout status stack/home -w`,
		Args:              asUsage(cobra.MaximumNArgs(1)),
		ValidArgsFunction: c.completeObjects("stack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !watch {
				return c.rolloutStatus(cmd.Context(), args)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), max(timeout, time.Second))
			defer cancel()
			return c.watchRollout(ctx, args)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "follow it to its end")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "how long -w waits")
	return cmd
}

// newConfirm is a verb of its own: who has little time types little.
func newConfirm(c *command) *cobra.Command {
	return newRolloutAct(specs.RolloutConfirm, "Say that what was applied with --confirm-within is good", "")(c)
}

// newRolloutAct is a verb that acts on the rollout that is under way.
func newRolloutAct(action specs.RolloutAction, short, long string) func(c *command) *cobra.Command {
	return func(c *command) *cobra.Command {
		return &cobra.Command{
			Use: string(action) + " [stack/NAME]", Short: short, Long: long, Example: "  mirrorctl " + verbOf(action),
			Args: asUsage(cobra.MaximumNArgs(1)), ValidArgsFunction: c.completeObjects("stack"),
			RunE: func(cmd *cobra.Command, args []string) error {
				stack, err := c.rolledStack(cmd.Context(), args)
				if err != nil {
					return err
				}
				var answer struct{ Message string }
				path := stackPath(stack, "rollout", string(action))
				if err := c.client().callJSON(cmd.Context(), request{method: http.MethodPost, path: path}, &answer); err != nil {
					return err
				}
				fmt.Fprintf(c.Out, "stack/%s %s\n", stack, answer.Message)
				return nil
			},
		}
	}
}

// verbOf is how an action is typed.
func verbOf(action specs.RolloutAction) string {
	if action == specs.RolloutConfirm {
		return string(action)
	}
	return "rollout " + string(action)
}

// rolling are the newest rollouts: of one stack, or of all those that have one on its way.
func (c *command) rolling(ctx context.Context, args []string) ([]specs.Rollout, error) {
	stack := ""
	if len(args) > 0 {
		name, err := c.rolledStack(ctx, args)
		if err != nil {
			return nil, err
		}
		stack = name
	}
	list, err := listOf[specs.Rollout](ctx, c, "")
	if err != nil {
		return nil, err
	}
	newest := map[string]specs.Rollout{}
	for _, o := range list {
		if have, ok := newest[o.Spec.Stack]; (!ok || have.Spec.StartedAt.Before(&o.Spec.StartedAt)) && (stack == "" || o.Spec.Stack == stack) {
			newest[o.Spec.Stack] = o
		}
	}
	var out []specs.Rollout
	for _, o := range newest {
		if stack != "" || o.Status.CompletedAt == nil {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b specs.Rollout) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (c *command) rolloutStatus(ctx context.Context, args []string) error {
	list, err := c.rolling(ctx, args)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Out, "nothing is being rolled out")
	}
	good := true
	for i := range list {
		c.printRollout(&list[i])
		good = good && rolledOut(&list[i])
	}
	if good {
		return nil
	}
	return errFalse
}

func (c *command) watchRollout(ctx context.Context, args []string) error {
	list, err := c.rolling(ctx, args)
	if err != nil || len(list) == 0 {
		if err == nil {
			fmt.Fprintln(c.Out, "nothing is being rolled out")
		}
		return err
	}
	good := true
	for i := range list {
		o, last := &list[i], ""
		err := c.watch(ctx, target{specs.KindOf("Rollout"), o.Name}, func(e watchEvent) (bool, error) {
			next := specs.Rollout{}
			if err := json.Unmarshal(e.Object, &next); err != nil {
				return false, fmt.Errorf("cannot read a watch event: %v", err)
			}
			*o = next
			if cond := meta.FindStatusCondition(o.Status.Conditions, specs.ConditionReady); cond != nil && cond.Message != last {
				last = cond.Message
				fmt.Fprintln(c.Err, paint(c.Err, dim, oneLine(last)))
			}
			return o.Status.CompletedAt != nil || choices(o) != "" || e.Type == "DELETED", nil
		})
		if err != nil {
			return err
		}
		c.printRollout(o)
		good = good && rolledOut(o)
	}
	if good {
		return nil
	}
	return errFalse
}

func rolledOut(o *specs.Rollout) bool {
	return meta.IsStatusConditionTrue(o.Status.Conditions, specs.ConditionReady)
}

// choices are what a person may do with a rollout that waits for one; empty while it goes on by itself or is over.
func choices(o *specs.Rollout) string {
	back := "go back to the revision before"
	if o.Spec.From != nil {
		back = fmt.Sprintf("back to %d", o.Spec.From.Number)
	}
	stack := " stack/" + o.Spec.Stack
	switch stalled := meta.IsStatusConditionTrue(o.Status.Conditions, specs.ConditionStalled); {
	case o.Status.CompletedAt != nil:
		return ""
	case o.Spec.Paused:
		return fmt.Sprintf("mirrorctl rollout resume%s | abort (%s)", stack, back)
	case stalled:
		return fmt.Sprintf("edit what failed | mirrorctl rollout abort%s (%s)", stack, back)
	}
	return ""
}

func (c *command) printRollout(o *specs.Rollout) {
	word := "on its way"
	ready := meta.FindStatusCondition(o.Status.Conditions, specs.ConditionReady)
	switch {
	case ready != nil && o.Status.CompletedAt != nil:
		word = ready.Reason
	case o.Spec.Paused:
		word = specs.ReasonRolloutPaused
	}
	fmt.Fprintf(c.Out, "stack/%s %s  %d of %d waves in force, %d of %d objects ready  %s\n", o.Spec.Stack, revisionName(&o.Spec.To), o.Spec.InForce, len(o.Spec.Waves),
		o.Status.ReadyObjects, o.Status.Objects, word)
	var rows [][]string
	for _, s := range o.Status.States {
		sign := map[specs.RolloutState]string{specs.RolloutReady: "ok", specs.RolloutApplied: ">", specs.RolloutFailed: "x"}[s.State]
		rows = append(rows, []string{"  " + sign, fmt.Sprint(s.Wave), strings.ToLower(s.Kind) + "/" + s.Name, string(s.State), oneLine(s.Message)})
	}
	columns(c.Out, nil, rows)
	if f := o.Status.Failure; f != nil {
		for _, obj := range f.Objects {
			fmt.Fprintf(c.Out, "  failed: %s/%s: %s\n", strings.ToLower(obj.Kind), obj.Name, oneLine(obj.Message))
		}
	}
	if cond := meta.FindStatusCondition(o.Status.Conditions, specs.ConditionStalled); cond != nil {
		fmt.Fprintln(c.Out, "  "+paint(c.Out, red, "stalled: ")+oneLine(cond.Message))
	}
	if text := choices(o); text != "" {
		fmt.Fprintln(c.Out, "choose: "+text)
	}
}
