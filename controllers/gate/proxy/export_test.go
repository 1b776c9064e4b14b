package proxy

import "net/http"

// Handler serves a gate without a listener, for benchmarks.
func (s *Server) Handler(gate string) http.Handler { return s.newGate(gate) }

// Decide evaluates an input as a request is evaluated.
func Decide(v *View, in *Input) (allowed bool, reason Reason, rule string) {
	d := v.gates[in.Gate].decide(in)
	if d.rule != nil {
		rule = d.rule.Name
	}
	return d.allowed(), d.reason(), rule
}

// NewRequestID is requestID.
var NewRequestID = requestID

// UseFilters has the server compile filters so.
func (s *Server) UseFilters(compile func([]FilterConfig) (Filters, error)) { s.cache.filters = compile }

// UsageOf is what the tap finds in a text that comes in pieces.
func UsageOf(pieces ...[]byte) (input, output int64, known bool) {
	var u usage
	t := tap{usage: &u}
	for _, p := range pieces {
		t.feed(p)
	}
	return u.input(), u.output(), u.known()
}

// LooksAt tells what the conditions of a gate look at.
func (v *View) LooksAt(gate string) (headers, arguments bool) {
	return v.gates[gate].usesHeaders, v.gates[gate].usesArguments
}

// Ending is the context of a request.
type Ending = ending

// Cancel ends it.
func (e *ending) Cancel(cause error) { e.cancel(cause) }

// CompileFilters makes the filters of a rule.
var CompileFilters = compileFilters
