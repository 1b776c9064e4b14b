package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
)

// The exit codes, one table for all programs: 1 refused or failed, 2 usage.
const (
	exitFailed = 1
	exitUsage  = 2
)

// exitError ends the program with a code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// options are the flags, with the environment and the defaults already in them.
type options struct {
	Manifests  string
	State      string
	Run        string
	Listen     string
	StopOnExit bool
	LogFormat  string
	LogLevel   string
}

func newCommand() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "mirrorosd --manifests DIR",
		Short: "The operator: keeps a directory of manifests running on this host",
		Long: `mirrorosd watches a directory of manifests and keeps what they declare running on this host.

Ctrl-C or SIGTERM ends the operator and leaves the workloads running; "mirrorctl down" stops them.
Each flag may be given as an environment variable too: MIRROROS_MANIFESTS, MIRROROS_STATE, MIRROROS_RUN, MIRROROS_LISTEN.`,
		Example: `  mirrorosd --manifests ~/stack
  mirrorosd --manifests manifests/quickstart --state tmp/state --run tmp/run --stop-on-exit
  mirrorosd install --user --manifests ~/stack`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return &exitError{exitUsage, err}
			}
			return run(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Manifests, "manifests", os.Getenv("MIRROROS_MANIFESTS"), "directory of manifests to keep running (required)")
	f.StringVar(&o.State, "state", os.Getenv("MIRROROS_STATE"), "state directory (default $XDG_STATE_HOME/mirroros, /var/lib/mirroros for root)")
	f.StringVar(&o.Run, "run", os.Getenv("MIRROROS_RUN"), "runtime directory, for api.sock (default $XDG_RUNTIME_DIR/mirroros, /run/mirroros for root)")
	f.StringVar(&o.Listen, "listen", os.Getenv("MIRROROS_LISTEN"), "also serve the API with TLS on this loopback address, such as 127.0.0.1:7443")
	f.BoolVar(&o.StopOnExit, "stop-on-exit", false, "stop all workloads, dependents first, when the operator is asked to end")
	f.StringVar(&o.LogFormat, "log-format", "console", "console or json")
	f.StringVar(&o.LogLevel, "log-level", "info", "debug, info, warn or error")
	_ = c.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"console", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	c.AddCommand(newInstallCommand())
	return c
}

// complete fills the defaults in, makes paths absolute and says what is wrong with the rest.
func (o *options) complete() error {
	if o.Manifests == "" {
		return fmt.Errorf("no manifests: give --manifests DIR or MIRROROS_MANIFESTS")
	}
	if o.State == "" {
		o.State = defaultDir("XDG_STATE_HOME", ".local/state", "/var/lib")
	}
	if o.Run == "" {
		o.Run = defaultDir("XDG_RUNTIME_DIR", "", "/run")
		if o.Run == "" {
			o.Run = filepath.Join(o.State, "run")
		}
	}
	for _, p := range []*string{&o.Manifests, &o.State, &o.Run} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("cannot resolve directory %q: %v", *p, err)
		}
		*p = abs
	}
	if o.Listen != "" {
		if err := checkLoopback(o.Listen); err != nil {
			return err
		}
	}
	if o.LogFormat != "console" && o.LogFormat != "json" {
		return fmt.Errorf("--log-format %q: want console or json", o.LogFormat)
	}
	return nil
}

// defaultDir is <$env or ~/home>/mirroros, or <root>/mirroros when run as root; empty when there is neither.
func defaultDir(env, home, root string) string {
	if os.Geteuid() == 0 {
		return filepath.Join(root, "mirroros")
	}
	if d := os.Getenv(env); d != "" {
		return filepath.Join(d, "mirroros")
	}
	if h, err := os.UserHomeDir(); err == nil && home != "" {
		return filepath.Join(h, home, "mirroros")
	}
	return ""
}

func checkLoopback(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--listen %q: want an address such as 127.0.0.1:7443", addr)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("--listen %q: %q is not a port", addr, port)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen %q: the API is served on loopback only", addr)
	}
	return nil
}
