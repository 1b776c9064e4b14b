package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/reconcile/audit"
)

func newAudit(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit verify|tail|query|export",
		Short: "Read and verify the record of what the gates decided",
		Long: `The audit log holds a record of each request before it is forwarded and of how it ended, and of each change of what decides. Its lines are
chained and signed: what was changed, removed or cut off shows. These verbs read files alone; they work without the operator.`,
		Example: `  mirrorctl audit verify
  mirrorctl audit tail -f
  mirrorctl audit query --since 1h --decision Refused --count-by principal,rule`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	for _, mk := range []func(*command) *cobra.Command{newAuditVerify, newAuditTail, newAuditQuery, newAuditExport} {
		v := mk(c)
		v.Args = asUsage(cobra.NoArgs)
		v.ValidArgsFunction = cobra.NoFileCompletions
		cmd.AddCommand(v)
	}
	return cmd
}

// auditPlace is where the log is, and its public key.
type auditPlace struct{ dir, key string }

func (p *auditPlace) flags(cmd *cobra.Command, key bool) {
	cmd.Flags().StringVar(&p.dir, "dir", "", "directory of the log (default: audit in the running operator's state directory, else in the default one)")
	_ = cmd.MarkFlagDirname("dir")
	if key {
		cmd.Flags().StringVar(&p.key, "public-key", "", "file of the public key (default: DIR.key.pub); give your own copy where the directory is not trusted")
		_ = cmd.MarkFlagFilename("public-key")
	}
}

// find fills in what was not given.
func (p *auditPlace) find(ctx context.Context, c *command) {
	if p.dir == "" {
		p.dir = filepath.Join(c.stateDir(ctx), "audit")
	}
	if p.key == "" {
		p.key = filepath.Clean(p.dir) + ".key.pub"
	}
}

// stateDir is what MIRROROS_STATE says, else the running operator, else where mirrorosd puts it.
func (c *command) stateDir(ctx context.Context) string {
	if d := os.Getenv("MIRROROS_STATE"); d != "" {
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var host hostAnswer
	_ = c.client().getJSON(ctx, "/mirroros/host", &host) // without an operator there is the default
	return cmp.Or(host.State, defaultState())
}

// missing says what to do when there is no log to read.
func (p *auditPlace) missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &exitError{exitFalse, fmt.Sprintf("no audit log in %s: a gate has not recorded anything yet, or it is elsewhere; say where with --dir", p.dir)}
	}
	return err
}

// auditFilter has the flags that pick records.
type auditFilter struct {
	since, until string
	audit.Filter
}

// auditWords are the values of flags that are known beforehand.
var auditWords = map[string][]string{
	"kind":     {audit.KindDecision, audit.KindOutcome, audit.KindChange, audit.KindBegin, audit.KindRemoved},
	"decision": {audit.Allowed, audit.Rewritten, audit.Refused, audit.Failed},
}

func (f *auditFilter) flags(c *command, cmd *cobra.Command, p *auditPlace) {
	f.timeFlags(cmd)
	for _, v := range []struct {
		name, usage string
		into        *[]string
	}{
		{"principal", "only of these principals", &f.Principals},
		{"rule", "only those that these rules decided", &f.Rules},
		{"decision", "only Allowed, Rewritten, Refused or Failed", &f.Decisions},
		{"route", "only of these routes", &f.Routes},
		{"request", "only of these requests, by id", &f.Requests},
		{"kind", "only decision, outcome, change, begin or removed", &f.Kinds},
	} {
		cmd.Flags().StringSliceVar(v.into, v.name, nil, v.usage)
		complete := c.completeAudit(p, v.name)
		if words := auditWords[v.name]; words != nil {
			complete = cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
		}
		_ = cmd.RegisterFlagCompletionFunc(v.name, complete)
	}
}

func (f *auditFilter) timeFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.since, "since", "", "from a duration ago (10m) or a time (2026-11-23T14:00:00Z) on")
	cmd.Flags().StringVar(&f.until, "until", "", "before a duration ago or a time")
}

// finish reads what the flags say.
func (f *auditFilter) finish(now time.Time) (err error) {
	if f.Since, err = timeFlag("since", f.since, now); err != nil {
		return err
	}
	if f.Until, err = timeFlag("until", f.until, now); err != nil {
		return err
	}
	for name, given := range map[string][]string{"kind": f.Kinds, "decision": f.Decisions} {
		for _, v := range given {
			if !slices.Contains(auditWords[name], v) {
				return usageError("--%s %q: want one of %s", name, v, strings.Join(auditWords[name], ", "))
			}
		}
	}
	f.Own = slices.Contains(f.Kinds, audit.KindBegin) || slices.Contains(f.Kinds, audit.KindRemoved)
	return nil
}

// completeAudit completes with values that the last records have.
func (c *command) completeAudit(p *auditPlace, field string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		p.find(cmd.Context(), c)
		var out []string
		_, _ = audit.Last(p.dir, 1000, audit.Filter{}, func(r *audit.Record) error {
			if v := recordField(r, field); v != "" && strings.HasPrefix(v, word) && !slices.Contains(out, v) {
				out = append(out, v)
			}
			return nil
		})
		slices.Sort(out)
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// recordFields are the fields of a record with one value, by their names in JSON.
var recordFields = func() map[string]int {
	out := map[string]int{}
	t := reflect.TypeFor[audit.Record]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if kind := t.Field(i).Type.Kind(); (kind == reflect.String || kind == reflect.Int || kind == reflect.Bool) && name != "prev" {
			out[name] = i
		}
	}
	return out
}()

// recordField is a field of a record as text.
func recordField(r *audit.Record, name string) string {
	return fmt.Sprint(reflect.ValueOf(r).Elem().Field(recordFields[name]))
}

// auditLine is a record as a line for people. What came from a client cannot make the terminal do anything.
func (c *command) auditLine(r *audit.Record) string {
	out := ""
	word, colour := cmp.Or(r.Decision, r.Kind), ""
	switch {
	case r.Decision == audit.Refused:
		colour = yellow
	case r.Decision == audit.Failed:
		colour = red
	}
	for _, s := range []string{cmp.Or(r.Principal, "-"), r.Route, r.Operation, r.Target, r.Model, strings.TrimSpace(r.Method + " " + r.Path)} {
		if s != "" {
			out += "  " + s
		}
	}
	for _, s := range []struct{ name, value string }{{"rule", r.Rule}, {"reason", r.Reason}, {"backend", r.Backend}} {
		if s.value != "" {
			out += "  " + s.name + "=" + s.value
		}
	}
	if r.Status != 0 {
		out += fmt.Sprintf("  status=%d ms=%d", r.Status, r.Milliseconds)
	}
	if r.Text != "" {
		out += "  " + r.Text
	}
	if r.Request != "" {
		out += "  " + r.Request
	}
	at := r.Time.Local().Format(time.DateTime)
	return at + "  " + paint(c.Out, colour, fmt.Sprintf("%-9s", printable(word))) + printable(out)
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}

// timeFlag reads a duration before now, or a time; empty is the zero time.
func timeFlag(name, value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return at, usageError("--%s %q: want a duration such as 10m, or a time such as 2026-11-23T14:00:00Z", name, value)
	}
	return at, nil
}
