package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

type getOptions struct {
	output        string
	selector      string
	fieldSelector string
	watch         bool
	noHeaders     bool
	raw           string
}

func newGet(c *command) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get KIND [NAME...] | KIND/NAME... | all",
		Short: "List objects, or print some",
		Example: `  mirrorctl get processes
  mirrorctl get process chat-model -o yaml
  mirrorctl get instances -l mirroros.dev/process=chat-model -w
  mirrorctl get process/web -o jsonpath={.status.readyReplicas}
  mirrorctl get all`,
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.raw != "" {
				return c.raw(cmd.Context(), o.raw)
			}
			if len(args) == 0 {
				return usageError("say what to get, such as `mirrorctl get processes`; `mirrorctl api-resources` lists the kinds")
			}
			if err := checkFormat(o.output, formats...); err != nil {
				return err
			}
			return c.get(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "wide, yaml, json, name or jsonpath=TEMPLATE")
	f.StringVarP(&o.selector, "selector", "l", "", "labels to match, such as tier=model,env!=test")
	f.StringVar(&o.fieldSelector, "field-selector", "", "fields to match, such as metadata.name=web")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on with every change until interrupted")
	f.BoolVar(&o.noHeaders, "no-headers", false, "leave the header out")
	f.StringVar(&o.raw, "raw", "", "print what this path of the API answers")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *command) raw(ctx context.Context, path string) error {
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(c.Out, res.Body)
	return err
}

func (c *command) get(ctx context.Context, o getOptions, args []string) error {
	if args[0] == "all" {
		return c.getAll(ctx, o)
	}
	targets, kind, err := parseTargets(args, "")
	if err != nil {
		return err
	}
	if o.watch && (len(targets) > 1 || o.output != "" && o.output != "wide") {
		return usageError("-w follows one kind or one object, as a table")
	}
	if len(targets) == 0 {
		return c.getList(ctx, o, kind, "")
	}
	if o.output == "" || o.output == "wide" {
		return c.getTables(ctx, o, targets)
	}
	return c.getObjects(ctx, o, targets)
}

func (c *command) getAll(ctx context.Context, o getOptions) error {
	first := true
	for _, k := range specs.Kinds {
		if !slices.Contains(k.Categories, "all") {
			continue
		}
		t, err := c.table(ctx, kindPath(k, "")+query(o))
		if err != nil {
			return err
		}
		if len(t.Rows) == 0 {
			continue
		}
		if !first {
			fmt.Fprintln(c.Out)
		}
		first = false
		h, rows := tableRows(t, o.output == "wide", k.Singular+"/")
		columns(c.Out, h, rows)
	}
	if first {
		fmt.Fprintln(c.Err, "Nothing is declared.")
	}
	return nil
}

func query(o getOptions) string {
	q := url.Values{}
	if o.selector != "" {
		q.Set("labelSelector", o.selector)
	}
	if o.fieldSelector != "" {
		q.Set("fieldSelector", o.fieldSelector)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (c *command) table(ctx context.Context, path string) (*metav1.Table, error) {
	var t metav1.Table
	err := c.client().callJSON(ctx, request{method: http.MethodGet, path: path, accept: tableAccept}, &t)
	return &t, err
}

// getList prints all objects of a kind, and follows them when asked.
func (c *command) getList(ctx context.Context, o getOptions, k *specs.Kind, name string) error {
	if name != "" {
		o.fieldSelector = "metadata.name=" + name
	}
	path := kindPath(k, "") + query(o)
	if o.output != "" && o.output != "wide" {
		var list object
		if err := c.client().getJSON(ctx, path, &list); err != nil {
			return err
		}
		return printObject(c.Out, o.output, list)
	}
	if o.watch {
		err := c.follow(ctx, (&shown{c: c, o: o, kind: k}).following(path))
		if ctx.Err() != nil {
			return nil // interrupted: that is how a watch ends
		}
		return err
	}
	t, err := c.table(ctx, path)
	if err != nil {
		return err
	}
	sortRows(k, t)
	if len(t.Rows) == 0 {
		fmt.Fprintf(c.Err, "No %s found.\n", k.Plural)
		return nil
	}
	c.printTable(o, t, "")
	return nil
}

// sortRows puts events into their order; other kinds are in theirs.
func sortRows(k *specs.Kind, t *metav1.Table) {
	if k.Kind == "Event" {
		slices.SortStableFunc(t.Rows, byRevision)
	}
}

// byRevision orders rows by when their objects were last written: for events that is when they last happened, finer than their times tell.
func byRevision(a, b metav1.TableRow) int {
	return cmp.Compare(rowRevision(a), rowRevision(b))
}

func rowRevision(r metav1.TableRow) int64 {
	n, _ := strconv.ParseInt(rowObject(r).ResourceVersion, 10, 64)
	return n
}

func rowObject(r metav1.TableRow) (o metav1.PartialObjectMetadata) {
	_ = json.Unmarshal(r.Object.Raw, &o) // one that cannot be read has no name and no revision
	return o
}

func (c *command) printTable(o getOptions, t *metav1.Table, prefix string) {
	h, rows := tableRows(t, o.output == "wide", prefix)
	if o.noHeaders {
		h = nil
	}
	columns(c.Out, h, rows)
}

// getTables prints named objects as tables, one table for each run of the same kind.
func (c *command) getTables(ctx context.Context, o getOptions, targets []target) error {
	if o.watch {
		return c.getList(ctx, o, targets[0].kind, targets[0].name)
	}
	mixed := slices.ContainsFunc(targets, func(t target) bool { return t.kind != targets[0].kind })
	var all *metav1.Table
	var last *specs.Kind
	var failed error
	flush := func() {
		if all == nil {
			return
		}
		prefix := ""
		if mixed {
			prefix = last.Singular + "/"
		}
		c.printTable(o, all, prefix)
		all = nil
	}
	for _, tg := range targets {
		t, err := c.table(ctx, kindPath(tg.kind, tg.name))
		if err != nil {
			if !isReason(err, metav1.StatusReasonNotFound) {
				return err
			}
			failed = err
			fmt.Fprintln(c.Err, "error:", err)
			continue
		}
		if tg.kind != last {
			flush()
			last = tg.kind
		}
		if all == nil {
			all = t
		} else {
			all.Rows = append(all.Rows, t.Rows...)
		}
	}
	flush()
	if failed != nil {
		return errFalse
	}
	return nil
}

// getObjects prints named objects for programs: one as itself, several as a List.
func (c *command) getObjects(ctx context.Context, o getOptions, targets []target) error {
	var items []any
	for _, t := range targets {
		var m object
		if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &m); err != nil {
			return err
		}
		items = append(items, m)
	}
	if len(items) == 1 {
		return printObject(c.Out, o.output, items[0])
	}
	return printObject(c.Out, o.output, object{"apiVersion": "v1", "kind": "List", "items": items})
}
