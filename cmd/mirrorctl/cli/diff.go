package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

func newDiff(c *command) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "diff -f FILE|DIR|-",
		Short: "Show how files differ from what is in force, object by object",
		Long: `diff shows what applying the files would change, as the operator would merge them. Exit code 0: nothing; 1: something.
"mirrorctl plan" says what would then happen on the host.`,
		Example: `  mirrorctl diff -f web.yaml
  mirrorctl diff -f ~/stack`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError("say which files, with -f")
			}
			return c.diff(cmd.Context(), files)
		},
	}
	cmd.Flags().StringSliceVarP(&files, "filename", "f", nil, "file, directory or - for standard input")
	return cmd
}

func (c *command) diff(ctx context.Context, paths []string) error {
	files, err := c.readManifests(paths)
	if err != nil {
		return err
	}
	if _, err := c.loadManifests(files); err != nil {
		return err
	}
	differs := false
	for _, f := range files {
		docs, _ := specs.Load(f.path, f.data)
		for _, d := range docs {
			one, err := c.diffDocument(ctx, d, f.dir)
			if err != nil {
				return err
			}
			differs = differs || one
		}
	}
	if differs {
		return errFalse
	}
	return nil
}

// diffDocument prints how one document differs from what is in force, and tells whether it does.
func (c *command) diffDocument(ctx context.Context, d *specs.Document, dir string) (bool, error) {
	t := target{specs.KindOf(d.Kind), d.Name}
	live, merged, err := c.merged(ctx, t, d, dir)
	if err != nil {
		return false, err
	}
	a, b := comparable(live), comparable(merged)
	if a == b {
		return false, nil
	}
	fmt.Fprintf(c.Out, "%s\n%s\n", paint(c.Out, dim, "--- live "+t.String()), paint(c.Out, dim, "+++ "+d.File))
	c.printDiff(diffLines(lines(a), lines(b)))
	return true, nil
}

// merged is the object as it is and as it would be. An object that a stack's file declares is compared over what this document declares,
// since only an edit of that file can change it.
func (c *command) merged(ctx context.Context, t target, d *specs.Document, dir string) (live, merged object, err error) {
	cl := c.client()
	if err := cl.getJSON(ctx, kindPath(t.kind, t.name), &live); err != nil && !isReason(err, metav1.StatusReasonNotFound) {
		return nil, nil, err
	}
	if stackOf(live) != "" {
		merged = runtime.DeepCopyJSON(live)
		overlay(merged, d.Declared())
		return live, merged, nil
	}
	body, err := applyBody(d, dir, false)
	if err != nil {
		return nil, nil, err
	}
	path := kindPath(t.kind, t.name) + "?fieldManager=mirrorctl&force=true&dryRun=All"
	err = cl.callJSON(ctx, request{method: http.MethodPatch, path: path, contentType: "application/apply-patch+yaml", body: body}, &merged)
	return live, merged, err
}

// stackOf is the stack that an object belongs to; empty when it was made through the API.
func stackOf(o object) string {
	meta, _ := o["metadata"].(object)
	labels, _ := meta["labels"].(object)
	stack, _ := labels[specs.LabelStack].(string)
	return stack
}

// overlay sets what is declared into o; lists are replaced whole.
func overlay(o, declared object) {
	for k, v := range declared {
		if m, ok := v.(object); ok {
			if have, ok := o[k].(object); ok {
				overlay(have, m)
				continue
			}
		}
		o[k] = runtime.DeepCopyJSONValue(v)
	}
}

// comparable is an object without what only the operator writes.
func comparable(o object) string {
	if o == nil {
		return ""
	}
	o = runtime.DeepCopyJSON(o)
	delete(o, "status")
	if meta, ok := o["metadata"].(object); ok {
		for _, k := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences"} {
			delete(meta, k)
		}
	}
	b, _ := yaml.Marshal(o)
	return strings.TrimRight(string(b), "\n")
}

// diffLines is a line diff by longest common subsequence, whole: objects are short. Lines begin with ' ', '-' or '+'.
func diffLines(a, b []string) []string {
	n, m := len(a), len(b)
	common := make([][]int, n+1)
	for i := range common {
		common[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && a[i] == b[j]:
			out = append(out, " "+a[i])
			i, j = i+1, j+1
		case i < n && (j == m || common[i+1][j] >= common[i][j+1]):
			out = append(out, "-"+a[i])
			i++
		default:
			out = append(out, "+"+b[j])
			j++
		}
	}
	return out
}

// lines of a text; none of an empty one.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
