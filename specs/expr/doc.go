// Package expr is the condition language of rules: CEL over one set of variables, compiled once and evaluated under a cost limit. Validation,
// the gate and checks use the same environment, so what compiles here evaluates there.
//
// Variables always exist; those that do not apply are zero. An evaluation that fails is an error, never true.
package expr

import "time"

// Vars are the variables of a condition.
type Vars struct {
	Request   Request   // request
	Principal Principal // principal
	Route     Route     // route
	LLM       LLM       // llm
	MCP       MCP       // mcp
	Time      time.Time // time, in UTC
}

// Request is the HTTP request: request.method, request.path, request.host, request.size (bytes of the body), request.headers (names in
// lower case; without credentials) and request.peer.
type Request struct {
	Method, Path, Host string
	Size               int64
	Headers            map[string]string
	Peer               string
}

// Principal is who asks: principal.name, principal.type, principal.labels, principal.instance.
type Principal struct {
	Name, Type string
	Labels     map[string]string
	Instance   string
}

// Route is what is asked for: route.name, route.protocol, route.gate, route.remote (a backend that would be chosen is remote).
type Route struct {
	Name, Protocol, Gate string
	Remote               bool
}

// LLM is a model call: llm.model, llm.maxTokens (after the cap is put in), llm.stream, llm.tools (names), llm.messages (how many).
type LLM struct {
	Model     string
	MaxTokens int64
	Stream    bool
	Tools     []string
	Messages  int64
}

// MCP is an operation of an MCP server: mcp.method, mcp.tool, mcp.resource, mcp.prompt, mcp.arguments (of a tool call, as declared JSON).
type MCP struct {
	Method, Tool, Resource, Prompt string
	Arguments                      map[string]any
}
