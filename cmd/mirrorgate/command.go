package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"mirroros.dev/mirroros/controllers/gate/bridge"
)

// exitUsage is the exit code of a wrong call, as in all programs of the project.
const exitUsage = 2

// exitError ends the program with a code.
type exitError struct {
	code int
	err  error
}

// Error is empty when what there is to say was said.
func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// options are the flags, with the environment in them.
type options struct {
	State   string
	Run     string
	Metrics string
	Log     logr.Logger
}

func newCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "mirrorgate",
		Short: "The data plane: serves gates and service ports",
		Long: `mirrorgate serves the gates and service ports of this host. The operator starts it, as the process mirrorgate, and writes down what it
serves in STATE/gate; without the operator it goes on with what it has.

SIGTERM ends it when the last request has ended; a second one ends it at once. Its metrics, in Prometheus' text format, are at
RUN/gate-metrics.sock: curl --unix-socket RUN/gate-metrics.sock http://gate/metrics`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	c.CompletionOptions.DisableDefaultCmd = true
	serve := &cobra.Command{
		Use: "serve", Short: "Serve, as mirrorgate without a word does", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(true); err != nil {
				return &exitError{exitUsage, err}
			}
			return serve(cmd.Context(), o)
		},
	}
	ready := &cobra.Command{
		Use: "ready", Short: "Ask whether this instance serves; exit code 1 when it does not", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(false); err != nil {
				return &exitError{exitUsage, err}
			}
			return askReady(cmd.Context(), o)
		},
	}
	standard := &cobra.Command{
		Use: "bridge --listen ADDRESS -- COMMAND ARGS...", Short: "Put an MCP server that speaks on its standard streams behind HTTP",
		Example: "  mirrorgate bridge --listen 127.0.0.1:8080 -- mcp-server-filesystem /srv/docs", DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := bridge.Run(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	tell := &cobra.Command{Use: "version", Short: "Tell the version", Args: cobra.NoArgs, Run: func(cmd *cobra.Command, _ []string) {
		fmt.Fprintln(cmd.OutOrStdout(), version)
	}}
	c.RunE = serve.RunE
	f := c.PersistentFlags()
	f.StringVar(&o.State, "state", os.Getenv("MIRROROS_STATE"), "the operator's state directory")
	f.StringVar(&o.Run, "run", os.Getenv("MIRROROS_RUN"), "the operator's runtime directory")
	for _, s := range []*cobra.Command{c, serve} {
		s.Flags().StringVar(&o.Metrics, "metrics", "", "also serve metrics at this loopback address, such as 127.0.0.1:9464")
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	c.AddCommand(serve, ready, standard, tell)
	return c
}

// complete makes paths absolute and says what is wrong. State is needed to serve alone.
func (o *options) complete(state bool) (err error) {
	if o.Run == "" || state && o.State == "" {
		return fmt.Errorf("give --state and --run, or MIRROROS_STATE and MIRROROS_RUN, as the operator has them")
	}
	if o.State, err = filepath.Abs(o.State); err == nil {
		o.Run, err = filepath.Abs(o.Run)
	}
	if err != nil {
		return fmt.Errorf("cannot resolve a directory: %v", err)
	}
	if o.Metrics != "" {
		host, port, err := net.SplitHostPort(o.Metrics)
		ip := net.ParseIP(host)
		if n, nerr := strconv.Atoi(port); err != nil || nerr != nil || n < 0 || n > 65535 || ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("--metrics %q: want a loopback address such as 127.0.0.1:9464", o.Metrics)
		}
	}
	o.Log = logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	return nil
}
