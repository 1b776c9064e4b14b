package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

func newCheck(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check run NAME",
		Short: "Run a check now",
		Long: `A Check looks whether something does what it is there for. ` + "`mirrorctl get checks -o wide`" + ` tells how they stand,
` + "`mirrorctl explain check.spec`" + ` how one is written.`,
		Example: "  mirrorctl check run answers",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say what to do: `mirrorctl check run NAME`")
			}
			return usageError("check has no %q: run", args[0])
		},
	}
	cmd.AddCommand(newCheckRun(c))
	return cmd
}

func newCheckRun(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Run a check now, and print each measurement and the verdict",
		Long: `run waits for a run of the same check that is under way, and then runs it. It counts as a run of its schedule. Exit code 0: it passes; 1: it fails,
is inconclusive, or nothing could be measured.`,
		Example:           "  mirrorctl check run answers\n  mirrorctl check run answers -o json | jq .verdict",
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: c.completeObjects("check"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output, "json", "yaml"); err != nil {
				return err
			}
			return c.checkRun(cmd.Context(), strings.TrimPrefix(strings.TrimPrefix(args[0], "checks/"), "check/"), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// checkStep is a line of the operator's answer: a measurement, and at last the run, or why there is none.
type checkStep struct {
	Measurement *specs.CheckMeasurement `json:"measurement"`
	Run         *specs.CheckRun         `json:"run"`
	Error       string                  `json:"error"`
}

func (c *command) checkRun(ctx context.Context, name, output string) error {
	res, err := c.client().do(ctx, request{method: http.MethodPost, path: kindPath(specs.KindOf("Check"), name) + "/run"})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for lines, n := json.NewDecoder(res.Body), 0; ; {
		var step checkStep
		switch err := lines.Decode(&step); {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("check/%s: the operator ended before the run did", name)
		case err != nil:
			return fmt.Errorf("cannot read the operator's answer: %v", err)
		case step.Error != "":
			return errors.New(step.Error)
		case step.Run != nil:
			return c.printCheckRun(name, output, step.Run)
		case step.Measurement != nil && output == "":
			n++
			c.printMeasurement(n, step.Measurement)
		}
	}
}

func (c *command) printMeasurement(n int, m *specs.CheckMeasurement) {
	colour := map[specs.CheckOutcome]string{specs.OutcomeSuccess: green, specs.OutcomeFailure: red}[m.Outcome]
	if colour == "" {
		colour = yellow
	}
	fmt.Fprintln(c.Out, strings.TrimRight(fmt.Sprintf("%d  %s  %d ms  %s", n, paint(c.Out, colour, string(m.Outcome)), m.Took, oneLine(m.Message)), " "))
	if m.Excerpt != "" {
		fmt.Fprintf(c.Out, "   it said: %q\n", m.Excerpt)
	}
}

func (c *command) printCheckRun(name, output string, run *specs.CheckRun) error {
	if output != "" {
		if err := printObject(c.Out, output, run); err != nil {
			return err
		}
	} else {
		text := fmt.Sprintf("check/%s %s", name, run.Verdict)
		if run.Message != "" {
			text += ": " + oneLine(run.Message)
		}
		fmt.Fprintln(c.Out, text)
	}
	if run.Verdict != specs.CheckPassing {
		return errFalse
	}
	return nil
}
