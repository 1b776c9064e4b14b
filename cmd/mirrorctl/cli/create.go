package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// createOptions are the flags of `create process`.
type createOptions struct {
	command       string
	args          []string
	ports         []string
	env           []string
	replicas      int32
	workingDir    string
	restartPolicy string
	user          string
	why           string
	dryRun        string
	output        string
}

func newCreate(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create KIND NAME",
		Short:   "Make an object, or print the manifest for one",
		Example: "  mirrorctl create process web --command 'python3 -m http.server $(PORT_HTTP)' --port http --dry-run -o yaml > web.yaml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("say what to create: `mirrorctl create process NAME --command '…'`")
			}
			return usageError("create makes a process; for a %q write a manifest (`mirrorctl explain` tells the fields) and `mirrorctl apply -f` it", args[0])
		},
	}
	cmd.AddCommand(newCreateProcess(c))
	return cmd
}

func newCreateProcess(c *command) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "process NAME --command WORDS",
		Short: "Make a process, or print the manifest for one",
		Long: `The command is split into words as a shell does it (quotes and backslashes), but no shell runs: there are no pipes and no variables
but $(NAME), which the operator expands. Without --dry-run the process is made through the API and belongs to no stack.`,
		Example: `  mirrorctl create process web --command 'python3 -m http.server $(PORT_HTTP)' --port http --dry-run -o yaml > web.yaml
  mirrorctl create process db --command './db --data data' --port sql=5432 --env MODE=fast --restart-policy OnFailure`,
		Args:              asUsage(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.createProcess(cmd.Context(), o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.command, "command", "", "program and arguments in one text, split as a shell does")
	f.StringArrayVar(&o.args, "arg", nil, "one further argument, as it is; may be repeated")
	f.StringArrayVar(&o.ports, "port", nil, "NAME for a free port, or NAME=NUMBER; may be repeated")
	f.StringArrayVar(&o.env, "env", nil, "NAME=VALUE; may be repeated")
	f.Int32Var(&o.replicas, "replicas", 1, "how many copies")
	f.StringVar(&o.workingDir, "working-dir", "", "directory to start in")
	f.StringVar(&o.restartPolicy, "restart-policy", "", "Always, OnFailure or Never")
	f.StringVar(&o.user, "user", "", "user to run as")
	f.StringVar(&o.why, "why", "", "why it exists, in a sentence")
	f.StringVar(&o.dryRun, "dry-run", "none", "client: only print; server: have the operator check it too")
	f.Lookup("dry-run").NoOptDefVal = "client"
	f.StringVarP(&o.output, "output", "o", "", "yaml, json or name")
	_ = cmd.RegisterFlagCompletionFunc("restart-policy", cobra.FixedCompletions([]string{"Always", "OnFailure", "Never"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *command) createProcess(ctx context.Context, o createOptions, name string) error {
	if err := checkFormat(o.output, "yaml", "json", "name"); err != nil {
		return err
	}
	if o.dryRun != "none" && o.dryRun != "client" && o.dryRun != "server" {
		return usageError("--dry-run=%s: want client, server or none", o.dryRun)
	}
	text, err := o.manifest(name)
	if err != nil {
		return err
	}
	docs, faults := specs.Load("process/"+name, text)
	if len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintf(c.Err, "%s: %s\n", f.Field, f.Message)
		}
		return usageError("that makes no valid process")
	}
	declared := runtime.DeepCopyJSON(docs[0].Declared())
	done := " created (dry run)"
	if o.dryRun != "client" {
		path := kindPath(specs.KindOf("Process"), "")
		if done = " created"; o.dryRun == "server" {
			path, done = path+"?dryRun=All", " created (server dry run)"
		}
		if err := c.postProcess(ctx, path, declared); err != nil {
			return err
		}
	}
	switch o.output {
	case "yaml":
		_, err = c.Out.Write(text)
	case "":
		_, err = fmt.Fprintf(c.Out, "process/%s%s\n", name, done)
	default:
		err = printObject(c.Out, o.output, docs[0].Declared())
	}
	return err
}

// postProcess makes the object. Its relative paths start at the current directory.
func (c *command) postProcess(ctx context.Context, path string, declared object) error {
	wd, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("cannot find the current directory: %v", err)
	}
	setAnnotation(declared, specs.AnnotationDirectory, wd)
	body, err := json.Marshal(declared)
	if err != nil {
		return fmt.Errorf("cannot encode the process: %v", err)
	}
	return c.client().callJSON(ctx, request{method: http.MethodPost, path: path, contentType: "application/json", body: body}, nil)
}

// manifest is the YAML of the process, with nothing in it that was not asked for.
func (o createOptions) manifest(name string) ([]byte, error) {
	words, err := splitWords(o.command)
	if err != nil {
		return nil, usageError("--command %q: %v", o.command, err)
	}
	if words = append(words, o.args...); len(words) == 0 {
		return nil, usageError("say what runs, with --command")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: %s\nkind: Process\nmetadata:\n  name: %s\nspec:\n", specs.GroupVersion, scalar(name))
	field := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s: %s\n", key, scalar(value))
		}
	}
	field("why", o.why)
	for i, w := range words {
		words[i] = flowScalar(w)
	}
	fmt.Fprintf(&b, "  command: [%s]\n", strings.Join(words, ", "))
	field("workingDir", o.workingDir)
	if err := o.writeEnv(&b); err != nil {
		return nil, err
	}
	if err := o.writePorts(&b); err != nil {
		return nil, err
	}
	field("user", o.user)
	if o.replicas != 1 {
		fmt.Fprintf(&b, "  replicas: %d\n", o.replicas)
	}
	field("restartPolicy", o.restartPolicy)
	return b.Bytes(), nil
}

func (o createOptions) writeEnv(b *bytes.Buffer) error {
	for i, e := range o.env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return usageError("--env %q: want NAME=VALUE", e)
		}
		if i == 0 {
			b.WriteString("  env:\n")
		}
		fmt.Fprintf(b, "  - {name: %s, value: %s}\n", flowScalar(name), flowScalar(value))
	}
	return nil
}

func (o createOptions) writePorts(b *bytes.Buffer) error {
	for i, p := range o.ports {
		name, number, fixed := strings.Cut(p, "=")
		if i == 0 {
			b.WriteString("  ports:\n")
		}
		if !fixed {
			fmt.Fprintf(b, "  - {name: %s}\n", flowScalar(name))
			continue
		}
		if _, err := strconv.ParseUint(number, 10, 16); err != nil {
			return usageError("--port %q: want NAME or NAME=NUMBER", p)
		}
		fmt.Fprintf(b, "  - {name: %s, port: %s}\n", flowScalar(name), number)
	}
	return nil
}

// scalar is a string as one line of YAML, quoted only where it must be.
func scalar(s string) string {
	if strings.ContainsAny(s, "\n\r\t") {
		return quoted(s)
	}
	b, err := yaml.Marshal(s)
	if err != nil {
		return quoted(s)
	}
	if text := strings.TrimSuffix(string(b), "\n"); !strings.Contains(text, "\n") {
		return text
	}
	return quoted(s)
}

// flowScalar is a scalar that may stand between brackets.
func flowScalar(s string) string {
	if strings.ContainsAny(s, "[]{},") {
		return quoted(s)
	}
	return scalar(s)
}

// quoted is a double-quoted YAML scalar, by JSON's rules, which YAML's contain.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}
