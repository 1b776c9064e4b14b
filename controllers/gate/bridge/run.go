package bridge

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: mirrorgate bridge --listen HOST:PORT [flags] -- COMMAND [ARG...]

Serves the stdio MCP server COMMAND over streamable HTTP, on any path. There is no authentication: HOST must be a loopback address, and a
gate belongs in front of it.

`

// endTime bounds the end of the HTTP server; children have endPatience each, all at once.
const endTime = time.Second

// Run is the program. It serves until ctx ends or SIGTERM or SIGINT comes, ends its children and returns the exit code. The address that it
// listens on is the first line of stdout. What children write to their stderr goes to stderr.
func Run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bridge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage); flags.PrintDefaults() }
	listen := flags.String("listen", "", "loopback `address` to listen on, as 127.0.0.1:8080; port 0 takes a free one")
	sessions := flags.Int("max-sessions", 16, "sessions at once, each with a child")
	idle := flags.Duration("session-idle", 30*time.Minute, "end a session after this time without a request or stream")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	fail := func(code int, format string, a ...any) int {
		fmt.Fprintf(stderr, "mirrorgate bridge: "+format+"\n", a...)
		return code
	}
	if flags.NArg() == 0 || *listen == "" || *sessions < 1 || *idle <= 0 {
		return fail(2, "needs --listen, a command after --, and numbers that are positive; see --help")
	}
	if err := loopback(*listen); err != nil {
		return fail(2, "cannot listen on %q: %v", *listen, err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return fail(1, "%v", err)
	}
	b := newBridge(options{Command: flags.Args(), MaxSessions: *sessions, Idle: *idle, Stderr: stderr})
	fmt.Fprintf(stdout, "http://%s/\n", l.Addr())
	if err := serve(ctx, l, b); err != nil {
		return fail(1, "%v", err)
	}
	return 0
}

// serve ends with its context: no more requests, then the children, then what still waits for them.
func serve(ctx context.Context, l net.Listener, b *bridge) error {
	s := &http.Server{Handler: b, ReadHeaderTimeout: 15 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	b.close()
	end, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if s.Shutdown(end) != nil {
		_ = s.Close()
	}
	return err
}

// loopback refuses addresses that others can reach.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("it is no loopback address, and there is no authentication")
	}
	return nil
}
