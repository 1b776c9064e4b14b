package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// call is a client: without a tool it lists those that the server shows.
func call(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demotools call", flag.ContinueOnError)
	flags.SetOutput(stderr)
	url := flags.String("url", "http://127.0.0.1:8088/mcp/tools", "the server")
	timeout := flags.Duration("timeout", 10*time.Second, "longest wait")
	if err := flags.Parse(args); err != nil || flags.NArg() > 2 {
		fmt.Fprintln(stderr, "usage: demotools call [--url URL] [TOOL [ARGUMENTS AS JSON]]")
		return 2
	}
	arguments := map[string]any{}
	if text := flags.Arg(1); text != "" {
		if err := json.Unmarshal([]byte(text), &arguments); err != nil {
			fmt.Fprintf(stderr, "the arguments are no JSON object: %v\n", err)
			return 2
		}
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	if err := ask(ctx, *url, flags.Arg(0), arguments, stdout); err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
		return 1
	}
	return 0
}

func ask(ctx context.Context, url, tool string, arguments map[string]any, stdout io.Writer) error {
	client := mcp.NewClient(&mcp.Implementation{Name: "demotools", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{os.Getenv("MCP_TOKEN")}},
		MaxRetries: -1, DisableStandaloneSSE: true}, nil)
	if err != nil {
		return err
	}
	defer session.Close()
	if tool == "" {
		list, err := session.ListTools(ctx, nil)
		if err != nil {
			return err
		}
		for _, t := range list.Tools {
			fmt.Fprintf(stdout, "%s\t%s\n", t.Name, t.Description)
		}
		return nil
	}
	answer, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return err
	}
	for _, c := range answer.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			fmt.Fprintln(stdout, t.Text)
		}
	}
	if answer.IsError {
		return fmt.Errorf("tool %s failed", tool)
	}
	return nil
}

// bearer adds a token to each request.
type bearer struct{ token string }

// RoundTrip sends the request with the token.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return http.DefaultTransport.RoundTrip(r)
}
