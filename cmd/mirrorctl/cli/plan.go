package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

type planOptions struct {
	files  []string
	output string
}

// planAnswer is what the operator says would happen. Text is the plan as a person reads it.
type planAnswer struct {
	Stack  string            `json:"stack,omitempty"`
	From   string            `json:"from,omitempty"`
	To     string            `json:"to,omitempty"`
	Digest string            `json:"digest"`
	Read   map[string]string `json:"read,omitempty"`
	// Blocked says why it does not happen by itself.
	Blocked string            `json:"blocked,omitempty"`
	Steps   []json.RawMessage `json:"steps"`
	Text    string            `json:"text,omitempty"`
}

func newPlan(c *command) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [STACK] [-f DIR|FILE|-]",
		Short: "Say exactly what would happen, in order",
		Long: `plan prints what bringing a stack to its files would do. With -f DIR it takes that directory for the stack's; with -f FILE it takes
the file as if it stood among the stack's files under its name: before the save counts. Exit code 0: nothing would happen; 1: something would, or the files are refused.`,
		Example: `  mirrorctl plan
  mirrorctl plan home -f ~/stack
  mirrorctl plan -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeObjects("stacks"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output != "" && o.output != "json" {
				return usageError("-o %q: want json", o.output)
			}
			return c.plan(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file, directory or - to plan for, instead of the stack's files")
	f.StringVarP(&o.output, "output", "o", "", "json")
	return cmd
}

func (c *command) plan(ctx context.Context, o planOptions, args []string) error {
	if len(args) == 0 && len(o.files) == 0 && o.output == "" {
		if stacks, err := listOf[specs.Stack](ctx, c, ""); err != nil || len(stacks) > 1 {
			return errors.Join(err, c.planAll(ctx, stacks))
		}
	}
	stack, err := c.planned(ctx, o, args)
	if err != nil {
		return err
	}
	p, err := c.askPlan(ctx, o, stack)
	if err != nil {
		return err
	}
	if o.output == "json" {
		if err := printObject(c.Out, "json", p); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(c.Out, strings.TrimRight(p.Text, "\n"))
	}
	if len(p.Steps) > 0 {
		return errFalse
	}
	return nil
}

// planAll prints the plan of each of several stacks that has one, and what is refused of the others.
func (c *command) planAll(ctx context.Context, stacks []specs.Stack) error {
	var answer error
	for _, s := range stacks {
		p, err := c.askPlan(ctx, planOptions{}, s.Name)
		switch {
		case errors.Is(err, errFalse):
			answer = err
		case err != nil:
			return err
		case len(p.Steps) > 0:
			fmt.Fprintf(c.Out, "stack/%s\n%s\n", s.Name, strings.TrimRight(p.Text, "\n"))
			answer = errFalse
		}
	}
	if answer == nil && len(stacks) > 0 {
		fmt.Fprintf(c.Out, "%d stacks: nothing to do.\n", len(stacks))
	}
	return answer
}

// planned is the stack to plan for: the one named, else the nearest above all files given, else as for apply.
func (c *command) planned(ctx context.Context, o planOptions, args []string) (string, error) {
	if len(args) > 0 || len(o.files) == 0 {
		return c.oneStack(ctx, args, "")
	}
	stacks, err := listOf[specs.Stack](ctx, c, "")
	if err != nil || len(stacks) < 2 {
		return c.oneStack(ctx, args, "")
	}
	nearest, depth := "", -1
	for _, s := range stacks {
		dir, err := c.stackDirectory(ctx, s.Name)
		if err != nil {
			return "", err
		}
		above := !slices.ContainsFunc(o.files, func(f string) bool { return f == "-" || !within(dir, f) })
		if above && len(dir) > depth {
			nearest, depth = s.Name, len(dir)
		}
	}
	if nearest == "" {
		return c.oneStack(ctx, args, "")
	}
	return nearest, nil
}

// within tells whether path is dir or below it.
func within(dir, path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, abs)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// askPlan sends the files, when some are given, and gets the plan. Faults are printed and answered with no.
func (c *command) askPlan(ctx context.Context, o planOptions, stack string) (*planAnswer, error) {
	body := []byte("{}")
	if len(o.files) > 0 {
		texts, err := c.planFiles(ctx, stack, o.files)
		if err != nil {
			return nil, err
		}
		if body, err = json.Marshal(map[string]any{"files": texts}); err != nil {
			return nil, fmt.Errorf("cannot make the request: %v", err)
		}
	}
	var p planAnswer
	path := kindPath(specs.KindOf("Stack"), stack) + "/plan"
	err := c.client().callJSON(ctx, request{method: http.MethodPost, path: path, contentType: "application/json", body: body}, &p)
	var refused *apiError
	if errors.As(err, &refused) && refused.Code == http.StatusUnprocessableEntity {
		for _, cause := range refused.Details.Causes {
			fmt.Fprintf(c.Err, "%s: %s\n", cause.Field, cause.Message)
		}
		fmt.Fprintf(c.Err, "%s. Nothing changed.\n", count(len(refused.Details.Causes), "fault"))
		return nil, errFalse
	}
	return &p, err
}

// planFiles are the files of a stack as they would be: those of a directory given instead of the stack's, or the stack's own with the files
// given in the place of those of the same name.
func (c *command) planFiles(ctx context.Context, stack string, paths []string) (map[string]string, error) {
	given, err := c.readManifests(paths)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	if slices.ContainsFunc(paths, isDirectory) {
		for _, f := range given {
			texts[relativeTo(paths, f.path)] = string(f.data)
		}
		return texts, nil
	}
	dir, err := c.stackDirectory(ctx, stack)
	if err != nil {
		return nil, err
	}
	own, err := c.readManifests([]string{dir})
	if err != nil {
		return nil, err
	}
	for _, f := range own {
		texts[relativeTo([]string{dir}, f.path)] = string(f.data)
	}
	for _, f := range given {
		name := "standard-input.yaml"
		if f.path != standardInput {
			name = relativeTo([]string{dir}, filepath.Join(f.dir, filepath.Base(f.path)))
		}
		texts[name] = string(f.data)
	}
	return texts, nil
}

// stackDirectory is where the files of a stack are.
func (c *command) stackDirectory(ctx context.Context, stack string) (string, error) {
	t := target{specs.KindOf("Stack"), stack}
	var s specs.Stack
	if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &s); err != nil {
		return "", err
	}
	at, err := c.source(ctx, t)
	if isReason(err, metav1.StatusReasonNotFound) { // the stack of all files that are in no other
		var host hostAnswer
		err := c.client().getJSON(ctx, "/mirroros/host", &host)
		return host.Manifests, err
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(at.Path), filepath.FromSlash(s.Spec.Source.Path)), nil
}

// relativeTo is path below the first of roots that is a directory above it, else its name.
func relativeTo(roots []string, path string) string {
	for _, r := range roots {
		if rel, err := filepath.Rel(r, path); err == nil && rel != "." && !strings.HasPrefix(rel, "..") {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(path)
}
