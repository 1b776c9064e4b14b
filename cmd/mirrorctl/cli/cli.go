// Package cli holds the verbs of mirrorctl, one file each, behind Run.
//
// A verb reads its flags, makes one call, and prints. Output for programs (-o json, -o yaml, a pipe) has no colour and no progress.
// Standard output is the answer; progress, warnings and errors go to standard error. Every verb ends with one of the codes of exit.go.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/specs"
)

// Streams are where a verb reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// command is what every verb is given.
type command struct {
	Streams
	version string
	socket  string
	// now is the clock of ages; tests fix it.
	now func() time.Time

	once sync.Once
	api  *client // by client()
}

// verbs in the order of the help text, by group.
var verbs = []struct {
	group string
	make  []func(*command) *cobra.Command
}{
	{"Change what runs:", []func(*command) *cobra.Command{newCreate, newApply, newConfirm, newPlan, newDiff, newEdit, newDelete}},
	{"See what runs:", []func(*command) *cobra.Command{newStatus, newGet, newDescribe, newLogs, newEvents, newTop, newWait, newAudit}},
	{"Act on what runs:", []func(*command) *cobra.Command{newRollout, newCheck, newRestart, newReload, newSuspend, newResume, newExec, newDown}},
	{"Let through the gate:", []func(*command) *cobra.Command{newToken, newClientConfig, newCanI, newWhy, newAllow, newBudget}},
	{"Help yourself:", []func(*command) *cobra.Command{newValidate, newExplain, newDoctor, newSandbox, newAPIResources, newVersion}},
}

// Run carries out one command line and returns its exit code. It does not call os.Exit, and reads the environment only for
// MIRROROS_RUN, NO_COLOR, TERM, EDITOR and VISUAL.
func Run(ctx context.Context, s Streams, version string, args []string) int {
	c := &command{Streams: s, version: version, now: time.Now}
	return c.execute(ctx, args)
}

func (c *command) execute(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(c.Err, "error:", msg)
	}
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFalse
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "mirrorctl",
		Short: "See and change what the operator keeps running on this host",
		Long: `mirrorctl talks to the operator (mirrorosd) on this host.

Exit codes: 0 done or the same; 1 differs, refused, not ready or false; 2 usage; 3 no operator; 4 timed out.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(cmd, args[0])
		},
	}
	root.PersistentFlags().StringVar(&c.socket, "socket", "", "the operator's socket (default $MIRROROS_RUN/api.sock, else where mirrorosd puts it)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%v; see `%s --help`", err, cmd.CommandPath())
	})
	for _, g := range verbs {
		id := strings.TrimSuffix(g.group, ":")
		root.AddGroup(&cobra.Group{ID: id, Title: g.group})
		for _, mk := range g.make {
			v := mk(c)
			v.GroupID = id
			if v.Args != nil {
				v.Args = asUsage(v.Args)
			}
			if v.ValidArgsFunction == nil {
				v.ValidArgsFunction = cobra.NoFileCompletions
			}
			root.AddCommand(v)
		}
	}
	root.AddCommand(newTopics()...)
	root.SetHelpCommand(newHelp(root))
	root.SetHelpCommandGroupID("Help yourself")
	root.SetCompletionCommandGroupID("Help yourself")
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args, completion.RunE = cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError("no completion for %q: want bash, zsh, fish or powershell", args[0])
		}
	}
	return root
}

func unknownVerb(root *cobra.Command, word string) error {
	var known []string
	for _, v := range root.Commands() {
		known = append(append(known, v.Name()), v.Aliases...)
	}
	return usageError("no verb %q%s; `%s --help` lists the verbs", word, specs.DidYouMean(word, known), root.CommandPath())
}

// newHelp is cobra's help command, with an exit code for a word that is none.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB|TOPIC]",
		Short:   "Help for a verb or a topic",
		Example: "  mirrorctl help status\n  mirrorctl help stopping",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var words []string
			for _, v := range root.Commands() {
				words = append(words, v.Name()+"\t"+v.Short)
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root && len(rest) > 0 {
				return unknownVerb(root, args[0])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// asUsage turns a complaint about arguments into a usage error.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError("%v; see `%s --help`", err, cmd.CommandPath())
		}
		return nil
	}
}

// colour tells whether to colour output to w: only a terminal, and only when nobody asked not to.
func colour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
