package gate

import (
	"context"
	"fmt"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/store"
)

// Explanation is a decision with all that led to it.
type Explanation struct {
	// Decision and Outcome are what was recorded; Outcome is nil while the request goes on, both are nil for a question.
	Decision, Outcome *audit.Record
	// Trace of the rules. Then is the configuration that it is by, Now the one in force.
	Trace     proxy.Trace
	Then, Now int64
	Revision  string
	Gate      string
	Route     string
	// Asked is what was asked for, in words.
	Asked string
	// Lost: the configuration of then is not kept any more, so the trace is by the one in force.
	Lost bool
}

// Question is a request that nobody has made.
type Question struct {
	Principal, Route, Target, Model string
	MaxTokens                       int64
	Path, Method                    string
}

// Why explains what was decided about a request. store.ErrNotFound when no record knows it.
func (r *Reconciler) Why(ctx context.Context, request string) (*Explanation, error) {
	decision, outcome, err := r.o.Find(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("cannot look request %q up in the audit log: %w", request, err)
	}
	if decision == nil {
		return nil, fmt.Errorf("no record knows a request %q; records are kept as long as the gates' audit.retain says: %w", request, store.ErrNotFound)
	}
	r.mu.Lock()
	docs := r.docs
	r.mu.Unlock()
	e := &Explanation{Decision: decision, Outcome: outcome, Then: decision.Snapshot, Now: docs.config.Number, Gate: decision.Gate, Route: decision.Route,
		Asked: strings.TrimSpace(decision.Operation + " " + decision.Target)}
	config := docs.config
	if decision.Snapshot != config.Number {
		var then proxy.Config
		if err := readJSON(r.historyFile(decision.Snapshot), &then); err == nil && then.Number == decision.Snapshot {
			config = then
		} else {
			e.Lost, e.Then = true, config.Number
		}
	}
	if e.Asked == "" {
		e.Asked = decision.Model
	}
	if e.Asked == "" {
		e.Asked = strings.TrimSpace(decision.Method + " " + decision.Path)
	}
	if decision.Principal == "" || decision.Route == "" { // it came not as far as the rules
		return e, nil
	}
	e.Revision = config.Revision
	return e, e.trace(r.placed(config), docs, inputOf(decision))
}

// CanI says what would be decided.
func (r *Reconciler) CanI(_ context.Context, q Question) (*Explanation, error) {
	r.mu.Lock()
	docs := r.docs
	r.mu.Unlock()
	gate, route := findRoute(&docs.config, q.Route)
	if route == nil {
		return nil, fmt.Errorf("there is no route %q at any gate", q.Route)
	}
	record := &audit.Record{Principal: q.Principal, Gate: gate.Name, Route: route.Name, Method: "POST", Model: q.Model, Path: q.Path, MaxTokens: q.MaxTokens}
	if q.Method != "" {
		record.Method = q.Method
	}
	if record.Path == "" {
		record.Path = route.Path
	}
	if len(route.Models) > 0 && q.Model == "" {
		record.Model = route.Models[0]
	}
	if record.MaxTokens == 0 {
		record.MaxTokens = route.DefaultOutputTokens
	}
	if m := route.MaxOutputTokens; m > 0 && (record.MaxTokens == 0 || record.MaxTokens > m) {
		record.MaxTokens = m // as the gate puts it in
	}
	if q.Target != "" {
		record.Operation, record.Target = operation(q.Target)
	}
	e := &Explanation{Then: docs.config.Number, Now: docs.config.Number, Revision: docs.config.Revision, Gate: gate.Name, Route: route.Name,
		Asked: strings.TrimSpace(record.Operation + " " + record.Target)}
	return e, e.trace(r.placed(docs.config), docs, inputOf(record))
}

// operation reads TOOL, resource:URI or prompt:NAME.
func operation(target string) (method, name string) {
	if uri, ok := strings.CutPrefix(target, "resource:"); ok {
		return "resources/read", uri
	}
	if prompt, ok := strings.CutPrefix(target, "prompt:"); ok {
		return "prompts/get", prompt
	}
	return "tools/call", strings.TrimPrefix(target, "tool:")
}

func findRoute(c *proxy.Config, name string) (*proxy.GateConfig, *proxy.RouteConfig) {
	for i := range c.Gates {
		for j := range c.Gates[i].Routes {
			if c.Gates[i].Routes[j].Name == name {
				return &c.Gates[i], &c.Gates[i].Routes[j]
			}
		}
	}
	return nil, nil
}

// trace asks the rules of a configuration, by the gate's own code.
func (e *Explanation) trace(c proxy.Config, docs documents, in *proxy.Input) error {
	view, err := proxy.Compile(&c, &docs.endpoints, &docs.identities, proxy.NewCache())
	if err != nil {
		return fmt.Errorf("cannot compile configuration %d: %w", c.Number, err)
	}
	if _, route := findRoute(&c, in.Route.Name); route != nil {
		in.Route.Protocol, in.Route.Gate = route.Protocol, in.Gate
	}
	for _, p := range docs.identities.Principals {
		if p.Name == in.Principal.Name {
			in.Principal.Type, in.Principal.Labels = p.Type, p.Labels
		}
	}
	e.Trace, err = proxy.Explain(view, in)
	return err
}

// inputOf is what rules looked at, as far as a record holds it: headers, arguments and the names of tools are not recorded.
func inputOf(d *audit.Record) *proxy.Input {
	in := &proxy.Input{Gate: d.Gate}
	in.Time = d.Time
	in.Request.Method, in.Request.Path, in.Request.Size, in.Request.Peer = d.Method, d.Path, d.RequestSize, d.Peer
	in.Principal.Name, in.Principal.Instance = d.Principal, d.Instance
	in.Route.Name = d.Route
	in.LLM.Model, in.LLM.MaxTokens, in.LLM.Stream = d.Model, d.MaxTokens, d.Stream
	in.MCP.Method = d.Operation
	switch d.Operation {
	case "tools/call":
		in.MCP.Tool = d.Target
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		in.MCP.Resource = d.Target
	case "prompts/get":
		in.MCP.Prompt = d.Target
	default:
		in.List = d.Operation != ""
	}
	return in
}
