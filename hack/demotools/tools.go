package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxNotes is how many notes are kept.
const maxNotes = 100

// tools are what the server offers.
type tools struct {
	now func() time.Time

	mu    sync.Mutex // guards notes
	notes []string
}

func newTools(now func() time.Time) *tools { return &tools{now: now} }

type clockIn struct {
	Zone string `json:"zone,omitempty" jsonschema:"time zone, such as Europe/Berlin; default UTC"`
}

type weatherIn struct {
	Place string `json:"place" jsonschema:"name of a place"`
}

type notesIn struct {
	Add string `json:"add,omitempty" jsonschema:"a note to add; without it the notes are listed"`
}

// server offers the tools.
func server(t *tools) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "demotools", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "clock", Description: "Tells the time"}, t.clock)
	mcp.AddTool(s, &mcp.Tool{Name: "weather", Description: "Tells the weather by a toy model that knows nothing of the sky"}, t.weather)
	mcp.AddTool(s, &mcp.Tool{Name: "notes", Description: "Adds a note, or lists all"}, t.note)
	mcp.AddTool(s, &mcp.Tool{Name: "wipe", Description: "Removes every note"}, t.wipe)
	return s
}

// handler serves the tools over streamable HTTP; without sessions, newer versions of the protocol are spoken too.
func handler(t *tools, stateless bool) http.Handler {
	s := server(t)
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: stateless})
}

func text(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func (t *tools) clock(_ context.Context, _ *mcp.CallToolRequest, in clockIn) (*mcp.CallToolResult, any, error) {
	zone, err := time.LoadLocation(in.Zone)
	if err != nil {
		return nil, nil, fmt.Errorf("no time zone %q", in.Zone)
	}
	return text("%s", t.now().In(zone).Format(time.RFC1123)), nil, nil
}

// weather is the same for a place and a day, and a little like the one of the day before.
func (t *tools) weather(_ context.Context, _ *mcp.CallToolRequest, in weatherIn) (*mcp.CallToolResult, any, error) {
	if in.Place == "" {
		return nil, nil, errors.New("name a place")
	}
	day := t.now().UTC().Unix() / (24 * 60 * 60)
	of := func(day int64) uint32 {
		h := fnv.New32a()
		fmt.Fprintf(h, "%s %d", in.Place, day)
		return h.Sum32()
	}
	degrees := (of(day)%25 + of(day-1)%25) / 2
	sky := []string{"clear", "clouds", "rain", "fog"}[of(day)/7%4]
	return text("%s: %s, %d degrees (a toy model made this up)", in.Place, sky, degrees), nil, nil
}

func (t *tools) note(_ context.Context, _ *mcp.CallToolRequest, in notesIn) (*mcp.CallToolResult, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in.Add != "" {
		if len(t.notes) == maxNotes {
			return nil, nil, fmt.Errorf("there are %d notes, and no more are kept", maxNotes)
		}
		t.notes = append(t.notes, in.Add)
	}
	return text("%d notes: %q", len(t.notes), t.notes), nil, nil
}

func (t *tools) wipe(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.notes)
	t.notes = nil
	return text("%d notes are gone", n), nil, nil
}
