// Command demoworker is a worker for demonstrations and tests: it asks a chat endpoint a question every two seconds and prints one
// line with the answer and its usage. It goes on when the model restarts or is away, and ends on SIGTERM. A key is taken from
// OPENAI_API_KEY and never printed.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// questions are asked in turn when none is given.
var questions = []string{
	"Say the word mirror.",
	"What happens in the garden?",
	"Tell me about the cat.",
	"What does the house do at night?",
	"What are you?",
}

// run is the program. It returns when the context ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demoworker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	base := flags.String("base-url", "http://127.0.0.1:8000/v1", "base URL of the API; without a path it is /v1")
	model := flags.String("model", "", "model to ask; empty: the first that the server lists")
	every := flags.Duration("every", 2*time.Second, "time from one question to the next")
	prompt := flags.String("prompt", "", "question to ask; empty: five questions in turn")
	limit := flags.Int("max-tokens", 40, "longest answer")
	times := flags.Int("count", 0, "how often to ask; 0: until it is ended. Without an answer to the last it ends with 1")
	timeout := flags.Duration("timeout", 30*time.Second, "longest wait for an answer")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || *every <= 0 {
		return 2
	}
	c, err := newClient(*base, os.Getenv("OPENAI_API_KEY"), *timeout)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	c.model, c.maxTokens = *model, *limit
	asked := questions
	if *prompt != "" {
		asked = []string{*prompt}
	}
	tick := time.NewTicker(*every)
	defer tick.Stop()
	for n := 0; ; n++ {
		line := c.line(ctx, asked[n%len(asked)])
		if ctx.Err() != nil {
			fmt.Fprintln(stdout, "ended")
			return 0
		}
		fmt.Fprintln(stdout, line)
		if n+1 == *times {
			if strings.HasPrefix(line, noAnswer) {
				return 1
			}
			return 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprintln(stdout, "ended")
			return 0
		}
	}
}

// noAnswer begins the line of a question that failed.
const noAnswer = "no answer"

// line asks once and says how it went.
func (c *client) line(ctx context.Context, question string) string {
	start := time.Now()
	a, err := c.ask(ctx, question)
	took := time.Since(start).Round(100 * time.Microsecond)
	if err != nil {
		return fmt.Sprintf("%s after %s: %s", noAnswer, took, err)
	}
	return fmt.Sprintf("%s -> %s (model %s, tokens in %d, out %d, total %d, %s)", question, strings.Join(strings.Fields(a.text), " "),
		a.model, a.in, a.out, a.total, took)
}
