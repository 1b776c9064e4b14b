package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newSuspend(c *command) *cobra.Command {
	var period time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:   "suspend KIND/NAME...",
		Short: "Stop a process, or stop following a stack's files, until it is resumed",
		Long:  "A suspended process is stopped and stays stopped. A suspended stack no longer follows its files; what runs is still healed.",
		Example: `  mirrorctl suspend process/coder --reason "loop" --for 8h
  mirrorctl suspend stack/home --reason "moving house"`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("for") && period <= 0 {
				return usageError("--for %s: want a duration such as 8h", period)
			}
			annotations := map[string]any{specs.AnnotationSuspendReason: nil, specs.AnnotationResumeAt: nil}
			text := " suspended"
			if reason != "" {
				annotations[specs.AnnotationSuspendReason] = reason
			}
			if period > 0 {
				at := c.now().Add(period)
				annotations[specs.AnnotationResumeAt] = at.UTC().Format(time.RFC3339)
				text += "; resumes " + at.Local().Format("2006-01-02 15:04")
			}
			patch := annotate(annotations)
			patch["spec"] = object{"suspend": true}
			return c.patchEach(cmd, args, patch, text)
		},
	}
	cmd.Flags().DurationVar(&period, "for", 0, "resume by itself after this long")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever finds it suspended")
	return cmd
}

func newResume(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "resume KIND/NAME...",
		Short: "End a suspend",
		Example: `  mirrorctl resume process/coder
  mirrorctl resume stack/home`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			patch := annotate(map[string]any{specs.AnnotationSuspendReason: nil, specs.AnnotationResumeAt: nil})
			patch["spec"] = object{"suspend": nil}
			return c.patchEach(cmd, args, patch, " resumed")
		},
	}
}

// patchEach patches every object named; a bare word is a process.
func (c *command) patchEach(cmd *cobra.Command, args []string, patch object, done string) error {
	targets, err := suspendable(args)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := c.patchObject(cmd.Context(), t, patch, nil); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s%s\n", t, done)
	}
	return nil
}

// suspendable reads kind/name, kind name …, or names of processes.
func suspendable(args []string) ([]target, error) {
	fallback := "process"
	if len(args) > 1 && specs.KindNamed(args[0]) != nil {
		fallback = ""
	}
	targets, _, err := parseTargets(args, fallback)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		if !t.kind.Declarable() {
			return nil, usageError("%s cannot be suspended: a process or a stack can", t)
		}
	}
	return targets, nil
}
