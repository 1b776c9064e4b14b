// Command demotools is a tool server for demonstrations and tests: it speaks MCP over streamable HTTP at /mcp, with the official SDK. The
// tools clock and weather only look, notes keeps a list in memory, and wipe empties it: the one that an agent had better not be let near.
// With --stdio it speaks on its standard streams instead, as most tool servers do; mirrorgate bridge puts such a server behind HTTP.
//
// As `demotools call` it is a client: it prints the tools that a server shows, or calls one. A token is taken from MCP_TOKEN and never printed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns when the context ends, or when it has called.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "call" {
		return call(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("demotools", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "address to listen on")
	stateless := flags.Bool("stateless", false, "keep no sessions, which protocol version 2026-07-28 and later want")
	stdio := flags.Bool("stdio", false, "speak on standard input and output, until the input ends")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	if *stdio {
		if err := server(newTools(time.Now)).Run(ctx, &mcp.StdioTransport{}); err != nil && ctx.Err() == nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintf(stderr, "cannot listen on %s: %v\n", *listen, err)
		return 1
	}
	fmt.Fprintf(stdout, "listening on %s\n", l.Addr())
	if err := serve(ctx, l, time.Now, *stateless); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprintln(stdout, "ended")
	return 0
}

// serve serves until ctx ends, and then lets calls end that go on.
func serve(ctx context.Context, l net.Listener, now func() time.Time, stateless bool) error {
	mux := http.NewServeMux()
	mux.Handle("/mcp", handler(newTools(now), stateless))
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(patience); err != nil {
		_ = s.Close() // a stream of notifications never ends by itself
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
