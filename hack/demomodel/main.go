// Command demomodel is a model server for demonstrations and tests: OpenAI's API (health, models, chat completions, completions,
// embeddings) and Anthropic's (messages, and counting their tokens) in front of a demo n-gram model, not an LLM. It counts its tokens truly, answers "say the word X" with X, and
// writes one line for each request. SIGTERM ends it when the requests under way are answered.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns when the context ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demomodel", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:8000", "address to listen on; port 0 is any")
	name := flags.String("model", "demo", "name of the model")
	delay := flags.Duration("delay", 0, "wait before each token of a stream")
	grace := flags.Duration("grace", 10*time.Second, "how long requests under way may take at the end")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintf(stderr, "cannot listen on %q: %s\n", *listen, err)
		return 1
	}
	s := &server{name: *name, model: train(corpus), delay: *delay, started: time.Now(), log: stdout}
	srv := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	fmt.Fprintf(stdout, "%s, %s, listens on http://%s\n", *name, about, l.Addr())
	return serve(ctx, srv, l, *grace, stdout, stderr)
}

// serve serves until the context ends, and then ends what is under way.
func serve(ctx context.Context, srv *http.Server, l net.Listener, grace time.Duration, stdout, stderr io.Writer) int {
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		fmt.Fprintf(stderr, "cannot serve: %s\n", err)
		return 1
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err := srv.Shutdown(within)
	if err != nil {
		err = errors.Join(err, srv.Close())
		fmt.Fprintf(stdout, "ended with requests under way: %s\n", err)
		return 1
	}
	<-failed
	fmt.Fprintln(stdout, "ended")
	return 0
}
