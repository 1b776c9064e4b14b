package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"mirroros.dev/mirroros/specs"
)

type applyOptions struct {
	files   []string
	dryRun  string
	prune   bool
	plan    string
	wait    bool
	timeout time.Duration
	confirm time.Duration
}

func newApply(c *command) *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply [STACK] | -f FILE|DIR|-",
		Short: "Put manifests in force: a Manual stack as it is on disk, or files given with -f",
		Long: `Without -f, apply brings a Manual stack to what is on disk, and agrees to a removal that was stopped.
With -f, it makes or changes the objects of a file, a directory or standard input (-); they belong to no stack and are never pruned.`,
		Example: `  mirrorctl apply                                # a Manual stack to what is on disk
  mirrorctl apply home --prune --plan 3f2a91c0    # agree to a removal, as status says
  mirrorctl apply --confirm-within 2m             # back by itself, unless you can still say: mirrorctl confirm
  mirrorctl apply -f web.yaml --wait
  mirrorctl create process web --command 'sleep 60' --dry-run -o yaml | mirrorctl apply -f -`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeObjects("stacks"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.dryRun != "none" && o.dryRun != "server" {
				return usageError("--dry-run=%s: want server or none; `mirrorctl validate` checks without an operator", o.dryRun)
			}
			if cmd.Flags().Changed("confirm-within") && o.confirm <= 0 {
				return usageError("--confirm-within %s: want a duration such as 2m", o.confirm)
			}
			if len(o.files) == 0 {
				return c.applyStack(cmd.Context(), o, args)
			}
			if len(args) > 0 || o.prune || o.plan != "" || o.confirm != 0 {
				return usageError("a stack, --prune, --plan and --confirm-within do not go with -f")
			}
			return c.applyFiles(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "file, directory or - for standard input")
	f.StringVar(&o.dryRun, "dry-run", "none", "server: say what would happen and change nothing")
	f.Lookup("dry-run").NoOptDefVal = "server"
	f.BoolVar(&o.prune, "prune", false, "agree to a removal that was stopped; needs --plan")
	f.StringVar(&o.plan, "plan", "", "the digest of the plan that is agreed to")
	f.DurationVar(&o.confirm, "confirm-within", 0, "go back unless `mirrorctl confirm` is said within this time")
	f.BoolVar(&o.wait, "wait", false, "wait until what was applied is ready")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return cmd
}

// applyStack asks the operator to bring one stack to what is on disk.
func (c *command) applyStack(ctx context.Context, o applyOptions, args []string) error {
	if o.prune && o.plan == "" {
		return usageError("--prune needs --plan DIGEST: `mirrorctl status` gives the whole command")
	}
	stack, err := c.oneStack(ctx, args, o.plan)
	if err != nil {
		return err
	}
	if o.dryRun == "server" {
		return c.plan(ctx, planOptions{}, []string{stack})
	}
	body, err := json.Marshal(map[string]any{"plan": o.plan, "prune": o.prune, "confirmWithin": metav1.Duration{Duration: o.confirm}})
	if err != nil {
		return fmt.Errorf("cannot make the request: %v", err)
	}
	var answer struct{ Revision, Message string }
	path := kindPath(specs.KindOf("Stack"), stack) + "/apply"
	if err := c.client().callJSON(ctx, request{method: http.MethodPost, path: path, contentType: "application/json", body: body}, &answer); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "stack/%s %s\n", stack, answer.Message)
	if !o.wait {
		return nil
	}
	if err := c.waitReady(ctx, []target{{specs.KindOf("Stack"), stack}}, o.timeout); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, max(o.timeout, time.Second))
	defer cancel()
	if list, err := c.rolling(ctx, []string{stack}); err == nil && len(list) > 0 && list[0].Status.CompletedAt == nil {
		return c.watchRollout(ctx, []string{stack}) // ready for a moment is not ready
	}
	var s specs.Stack
	if err := c.client().getJSON(ctx, kindPath(specs.KindOf("Stack"), stack), &s); err != nil {
		return err
	}
	if cond := meta.FindStatusCondition(s.Status.Conditions, specs.ConditionSynced); cond != nil && cond.Reason == specs.ReasonHeld {
		return &exitError{exitFalse, oneLine(cond.Message)} // it failed, and all is ready as before
	}
	return nil
}

// oneStack is the stack named, or the one whose plan waits, or the only one that has something to apply, or the only one there is.
func (c *command) oneStack(ctx context.Context, args []string, plan string) (string, error) {
	if len(args) > 0 {
		targets, _, err := parseTargets(args, "stack")
		if err != nil {
			return "", err
		}
		return targets[0].name, nil
	}
	stacks, err := listOf[specs.Stack](ctx, c, "")
	if err != nil {
		return "", err
	}
	var pending, names []string
	for _, s := range stacks {
		names = append(names, s.Name)
		if s.Status.Pending != nil {
			pending = append(pending, s.Name)
			if s.Status.Pending.Digest == plan {
				return s.Name, nil
			}
		}
	}
	switch {
	case len(pending) == 1:
		return pending[0], nil
	case len(stacks) == 1:
		return stacks[0].Name, nil
	case len(stacks) == 0:
		return "", &exitError{exitFalse, "there is no stack"}
	}
	return "", usageError("there are %d stacks: say which of %s", len(stacks), strings.Join(names, ", "))
}

// listOf gets all objects of T's kind.
func listOf[T any](ctx context.Context, c *command, selector string) ([]T, error) {
	kind := fmt.Sprintf("%T", *new(T))[len("specs."):]
	var list struct{ Items []T }
	path := kindPath(specs.KindOf(kind), "")
	if selector != "" {
		path += "?labelSelector=" + url.QueryEscape(selector)
	}
	err := c.client().getJSON(ctx, path, &list)
	return list.Items, err
}

func (c *command) applyFiles(ctx context.Context, o applyOptions) error {
	files, err := c.readManifests(o.files)
	if err != nil {
		return err
	}
	var targets []target
	for _, f := range files {
		docs, err := c.loadManifests([]manifest{f})
		if err != nil {
			return err
		}
		for _, d := range docs {
			t := target{specs.KindOf(d.Kind), d.Name}
			if err := c.applyDocument(ctx, o, t, d, f.dir); err != nil {
				return err
			}
			targets = append(targets, t)
		}
	}
	if !o.wait || o.dryRun == "server" {
		return nil
	}
	return c.waitReady(ctx, targets, o.timeout)
}

// applyDocument server-side applies one document, with the directory that its relative paths start from.
func (c *command) applyDocument(ctx context.Context, o applyOptions, t target, d *specs.Document, dir string) error {
	cl := c.client()
	var before, after metav1.PartialObjectMetadata
	if err := cl.getJSON(ctx, kindPath(t.kind, t.name), &before); err != nil && !isReason(err, metav1.StatusReasonNotFound) {
		return err
	}
	body, err := applyBody(d, dir, before.Labels[specs.LabelStack] != "")
	if err != nil {
		return err
	}
	path := kindPath(t.kind, t.name) + "?fieldManager=mirrorctl&force=true"
	suffix := ""
	if o.dryRun == "server" {
		path += "&dryRun=All"
		suffix = " (server dry run)"
	}
	r := request{method: http.MethodPatch, path: path, contentType: "application/apply-patch+yaml", body: body}
	if err := cl.callJSON(ctx, r, &after); err != nil {
		return err
	}
	done := "configured"
	switch {
	case before.UID == "":
		done = "created"
	case before.ResourceVersion == after.ResourceVersion && before.Generation == after.Generation && o.dryRun != "server":
		done = "unchanged"
	}
	fmt.Fprintf(c.Out, "%s %s%s\n", t, done, suffix)
	return nil
}

// applyBody is a document as it is sent. That of a stack's object is found by its file, so it takes no directory along.
func applyBody(d *specs.Document, dir string, ofStack bool) ([]byte, error) {
	declared := runtime.DeepCopyJSON(d.Declared())
	if d.Kind == "Process" && !ofStack {
		setAnnotation(declared, specs.AnnotationDirectory, dir)
	}
	body, err := json.Marshal(declared)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %s: %v", d.Name, err)
	}
	return body, nil
}

func setAnnotation(o object, key, value string) {
	meta, _ := o["metadata"].(object)
	annotations, _ := meta["annotations"].(object)
	if annotations == nil {
		annotations = object{}
		meta["annotations"] = annotations
	}
	if _, ok := annotations[key]; !ok {
		annotations[key] = value
	}
}
