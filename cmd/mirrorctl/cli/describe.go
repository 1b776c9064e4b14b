package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// describeLogLines is how many last lines are shown of an instance that failed.
const describeLogLines = 10

func newDescribe(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe KIND/NAME...",
		Short: "Tell all there is to say about objects",
		Long: `describe prints what an object declares and where, how it is, its instances, what happened to it, and the last lines that failed
instances wrote. A value that is taken from a file shows as the file's name.`,
		Example: `  mirrorctl describe process/chat-model
  mirrorctl describe stack home`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: c.completeObjects(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, kind, err := parseTargets(args, "")
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				return usageError("say which %s, such as %s/NAME", kind.Singular, kind.Singular)
			}
			for i, t := range targets {
				if i > 0 {
					fmt.Fprintln(c.Out)
				}
				if err := c.describe(cmd.Context(), t); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return cmd
}

// described is an object of any kind, as far as describe looks into it.
type described struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     object            `json:"spec"`
	Status   object            `json:"status"`
}

func (c *command) describe(ctx context.Context, t target) error {
	var raw json.RawMessage
	if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &raw); err != nil {
		return err
	}
	var o described
	var cond conditioned
	if err := errorsOf(json.Unmarshal(raw, &o), json.Unmarshal(raw, &cond)); err != nil {
		return fmt.Errorf("cannot read %s: %v", t, err)
	}
	where, err := c.declaredIn(ctx, t)
	if err != nil {
		return err
	}
	c.describeHead(t, &o, where)
	delete(o.Status, "conditions")
	c.section("Spec", yamlText(o.Spec))
	c.section("Status", yamlText(o.Status))
	c.describeConditions(cond.Status.Conditions)
	if t.kind.Kind == "Process" || t.kind.Kind == "Instance" {
		if err := c.describeInstances(ctx, t); err != nil {
			return err
		}
	}
	return c.describeEvents(ctx, t)
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// declaredIn says where an object comes from, in words.
func (c *command) declaredIn(ctx context.Context, t target) (string, error) {
	if t.kind.OperatorOnly {
		return "written by the operator", nil
	}
	s, err := c.source(ctx, t)
	if isReason(err, metav1.StatusReasonNotFound) {
		return "made through the API", nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%d, stack/%s", s.Path, s.Line, s.Stack), nil
}

func (c *command) describeHead(t target, o *described, where string) {
	rows := [][]string{{"Name:", o.Metadata.Name}, {"Kind:", t.kind.Kind}, {"Declared in:", where}}
	rows = append(rows, mapRows("Labels:", o.Metadata.Labels)...)
	rows = append(rows, mapRows("Annotations:", o.Metadata.Annotations)...)
	created := o.Metadata.CreationTimestamp
	rows = append(rows, []string{"Created:", created.UTC().Format(time.RFC3339) + " (" + c.age(created) + " ago)"})
	if o.Metadata.Generation > 0 {
		rows = append(rows, []string{"Generation:", fmt.Sprint(o.Metadata.Generation)})
	}
	columns(c.Out, nil, rows)
}

// mapRows is one row for each entry, with the title before the first.
func mapRows(title string, m map[string]string) (rows [][]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		rows = append(rows, []string{title, k + "=" + m[k]})
		title = ""
	}
	return rows
}

func yamlText(o object) string {
	if len(o) == 0 {
		return ""
	}
	b, err := yaml.Marshal(o)
	if err != nil {
		return ""
	}
	return string(b)
}

// section prints a text, indented, under a title; nothing when it is empty.
func (c *command) section(title, text string) {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return
	}
	fmt.Fprintf(c.Out, "%s:\n", title)
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(c.Out, strings.TrimRight("  "+line, " "))
	}
}

// tableSection prints rows, indented, under a title; nothing when there are none.
func (c *command) tableSection(title string, header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	var b bytes.Buffer
	columns(&b, header, rows)
	c.section(title, b.String())
}

func (c *command) describeConditions(conditions []metav1.Condition) {
	var rows [][]string
	for _, x := range conditions {
		rows = append(rows, []string{x.Type, string(x.Status), x.Reason, c.age(x.LastTransitionTime), oneLine(x.Message)})
	}
	c.tableSection("Conditions", []string{"TYPE", "STATUS", "REASON", "AGE", "MESSAGE"}, rows)
}

// describeInstances prints the copies of a process, or the instance itself, and what those that failed wrote last.
func (c *command) describeInstances(ctx context.Context, t target) error {
	var all []specs.Instance
	if t.kind.Kind == "Process" {
		list, err := listOf[specs.Instance](ctx, c, specs.LabelProcess+"="+t.name)
		if err != nil {
			return err
		}
		all = list
		var rows [][]string
		for i := range all {
			rows = append(rows, c.instanceRow(&all[i]))
		}
		c.tableSection("Instances", []string{"NAME", "READY", "STATE", "RESTARTS", "PID", "AGE", "ENDPOINTS", "LAST EXIT"}, rows)
	} else {
		all = make([]specs.Instance, 1)
		if err := c.client().getJSON(ctx, kindPath(t.kind, t.name), &all[0]); err != nil {
			return err
		}
	}
	for i := range all {
		if failed(&all[i].Status) {
			c.lastLines(ctx, all[i].Name)
		}
	}
	return nil
}

func (c *command) instanceRow(i *specs.Instance) []string {
	pid := "none"
	if i.Status.PID != 0 {
		pid = fmt.Sprint(i.Status.PID)
	}
	last := "none"
	if x := i.Status.LastExit(); x != nil {
		last = x.Short() + ", " + c.age(x.FinishedAt) + " ago"
	}
	return []string{i.Name, fmt.Sprint(i.Status.Ready), i.Status.Word(), fmt.Sprint(i.Status.RestartCount), pid, c.age(i.CreationTimestamp),
		cmp.Or(strings.Join(i.Status.Endpoints, ","), "none"), last}
}

// failed tells whether the last words of an instance may say what is wrong with it.
func failed(s *specs.InstanceStatus) bool {
	x := s.LastExit()
	return !s.Ready && x != nil && x.Reason != specs.ReasonCompleted
}

func (c *command) lastLines(ctx context.Context, name string) {
	path := fmt.Sprintf("%s/log?tailLines=%d", kindPath(specs.KindOf("Instance"), name), describeLogLines)
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		fmt.Fprintf(c.Err, "warning: cannot read the log of %s: %v\n", name, err)
		return
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	c.section("Last lines of "+name, string(text))
}

func (c *command) describeEvents(ctx context.Context, t target) error {
	q := url.Values{"fieldSelector": {"involvedObject.kind=" + t.kind.Kind + ",involvedObject.name=" + t.name}}
	table, err := c.table(ctx, kindPath(specs.KindOf("Event"), "")+"?"+q.Encode())
	if err != nil {
		return err
	}
	header, rows := tableRows(table, false, "")
	if i := slices.Index(header, "OBJECT"); i >= 0 {
		header = slices.Delete(header, i, i+1)
		for n := range rows {
			rows[n] = slices.Delete(rows[n], i, i+1)
		}
	}
	c.tableSection("Events", header, rows)
	return nil
}

// readyCondition of an instance; nil when there is none.
func readyCondition(s *specs.InstanceStatus) *metav1.Condition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == specs.ConditionReady {
			return &s.Conditions[i]
		}
	}
	return nil
}
