package proxy

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/forward"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
	"mirroros.dev/mirroros/reconcile/audit"
)

// exchange is one request on its way through the stages. It belongs to the goroutine that serves it, but for what the context says.
type exchange struct {
	*gateServer
	view *View
	gate *gate
	w    http.ResponseWriter
	r    *http.Request

	id      string
	began   time.Time
	stage   time.Time // when the last stage ended
	dialect dialect

	caller *caller
	route  *route
	body   []byte // as it came
	read   int64  // what of it counts as held
	in     Input
	rule   *rule
	shadow []*rule
	// filters are the rules that filter, filtered the names of those that did something about the request, answered about the answer.
	filters            []*rule
	filtered, answered []string
	// edits that the gate made, by name, and whether one of them changed what the caller asked for.
	edits     []string
	rewritten bool

	// opaque: the answer tells no usage; endless: it may pause for as long as it likes.
	opaque, endless bool
	// switchedTo: it has become another protocol.
	switchedTo atomic.Bool
	// lists makes what takes out of an answer what the caller may not use; nil where nothing is.
	lists func(media string) AnswerFilter
	// upload is a body that goes on as it comes.
	upload *forward.Body

	ctx ending
	// lent is the memory of bodies, which others have after the request; room is that of lent, for a body and what becomes of it.
	lent []*[]byte
	room [3]*[]byte

	// said is what mark says; book is what is written of it, see recordOf.
	said [3]string
	book *audit.Record

	// what is recorded of how it ended
	decided bool // the decision is recorded
	begun   bool // the answer has begun
	failed  bool // it did not end well
	ready   bool // the answer is written whole, and may go out
	status  int
	reason  Reason
	backend *backend
	tied    *attempt                 // all that may be tried, for a request of a session; else nil
	by      *endpoints               // those that the address was chosen from
	going   atomic.Pointer[endpoint] // where the request goes; nil before
	sent    int64
	usage   usage
	meter   *meter  // nil when nobody wants to know what it takes
	from    *former // nil when it was not downgraded
	answer  digester
}

// ServeHTTP takes a request through the stages.
func (gs *gateServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{gateServer: gs, view: gs.view.Load(), w: w, r: r, began: gs.now()}
	x.stage, x.id = x.began, requestID(x.began)
	defer x.end()
	if gs.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	running := gs.running.Add(1)
	if x.gate = x.view.gates[gs.name]; x.gate == nil {
		x.gate = &gate{GateConfig: &GateConfig{Name: gs.name}}
		x.refuse(refuse(Gone, ""))
		return
	}
	if bad := x.serve(running); bad != nil {
		x.refuse(bad)
	}
}

// serve is the stages in their order.
func (x *exchange) serve(running int64) *refusal {
	x.dialect = dialectOf(x.r)
	if bad := checkTransport(x.r, x.gate); bad != nil {
		return bad
	}
	if running > int64(x.gate.MaxConcurrent) {
		x.w.Header().Set("Retry-After", "1")
		return refuse(Busy, "")
	}
	x.ended(1)
	var bad *refusal
	if x.caller, bad = x.gate.authenticate(x.view.identities, x.r.Header, x.began, x.door(), x.peer); bad != nil {
		return bad
	}
	x.active.add(x)
	if !x.stillKnown() {
		return refuse(Revoked, "")
	}
	x.ended(2)
	return x.dispatch()
}

// stillKnown closes the gap between looking the caller up and being among those who are ended when he goes.
func (x *exchange) stillKnown() bool {
	now := x.server.view.Load().identities
	return now == x.view.identities || now.still(x.caller, x.began)
}

// dispatch finds the protocol and, where the path tells it, the route.
func (x *exchange) dispatch() *refusal {
	if x.r.Method == http.MethodConnect {
		return serveConnect(x)
	}
	path := x.r.URL.Path
	if op := operations[path]; op != nil {
		for _, p := range op.protocols {
			if x.gate.models[p] != nil {
				return serveModel(x, op)
			}
		}
	} else if id, ok := strings.CutPrefix(path, "/v1/models/"); ok && id != "" && (x.gate.models[OpenAI] != nil || x.gate.models[Anthropic] != nil) {
		return serveModel(x, modelsOperation)
	}
	if x.route = x.gate.atPath(path); x.route == nil {
		return refuse(NoRoute, "")
	}
	return protocols[x.route.Protocol](x)
}

// found is called when the route is known.
func (x *exchange) found(r *route) *refusal {
	x.route = r
	if !x.caller.good(r.Name) {
		return refuse(TokenScope, "")
	}
	if r.Request > 0 {
		t := time.AfterFunc(r.Request, func() { x.ctx.cancel(errRequest) })
		x.ctx.AfterFunc(func() { t.Stop() })
	}
	return nil
}

// readBody reads the body whole.
func (x *exchange) readBody() *refusal {
	body, bad := readBody(x.w, x.r, x.gate.MaxBodyBytes, &x.held, x.lend)
	x.body, x.read = body, int64(len(body))
	return bad
}

// input fills in what rules look at, but for what the protocol adds.
func (x *exchange) input() *Input {
	in := &x.in
	in.Gate, in.Time = x.gate.Name, x.began.UTC()
	in.Request.Method, in.Request.Path, in.Request.Host = x.r.Method, x.r.URL.Path, x.r.Host
	in.Request.Size, in.Request.Peer = int64(len(x.body)), x.peerName()
	if x.gate.usesHeaders {
		in.Request.Headers = forConditions(x.r.Header)
	}
	p := x.caller.principal
	in.Principal.Name, in.Principal.Type, in.Principal.Labels, in.Principal.Instance = p.Name, p.Type, p.Labels, x.caller.instance
	if r := x.route; r != nil {
		in.Route.Name, in.Route.Protocol, in.Route.Gate, in.Route.Remote = r.Name, r.Protocol, x.gate.Name, r.remote
	}
	return in
}

// decide is stage 4. It counts what the rules did.
func (x *exchange) decide() *refusal {
	v := x.gate.decide(&x.in)
	x.rule, x.shadow, x.reason = v.rule, v.shadow, v.reason()
	for _, r := range v.shadow {
		r.counter.hit(true, x.began)
	}
	if v.rule != nil {
		v.rule.counter.hit(false, x.began)
	}
	x.ended(4)
	if v.allowed() {
		return nil
	}
	bad := refuse(x.reason, "")
	bad.rule, bad.err = v.rule, v.err
	return bad
}

// choose is stage 6.
func (x *exchange) choose() ([]attempt, *refusal) {
	x.by = x.view.endpoints
	plan, bad := x.plan()
	if bad == nil {
		x.backend = plan[0].backend
	}
	x.ended(6)
	return plan, bad
}

func (x *exchange) plan() ([]attempt, *refusal) {
	switch t := x.tied; {
	case t == nil:
		return x.route.choose(x.by, x.rule.AllowRemote)
	case t.backend == nil:
		return nil, refuse(BackendNotReady, "")
	case t.Remote && !x.route.mayLeave(x.rule.AllowRemote):
		return nil, refuse(RemoteNotAllowed, "")
	default:
		return []attempt{*t}, nil
	}
}

// record is stage 7: the decision is written before anything is forwarded, or nothing is.
func (x *exchange) record() *refusal {
	if bad := x.keep(x.decision(x.outcome())); bad != nil {
		return bad
	}
	x.decided = true
	x.ended(7)
	return nil
}

// outcome of what was decided so far.
func (x *exchange) outcome() string {
	if x.rewritten {
		return audit.Rewritten
	}
	return audit.Allowed
}

// decision is the record of stage 7.
func (x *exchange) decision(outcome string) *audit.Record {
	r := x.recordOf(audit.KindDecision)
	r.Decision, r.Reason = outcome, string(x.reason)
	r.Stage = reasons[x.reason].stage
	r.Method, r.Path, r.Peer = x.r.Method, clip(x.r.URL.Path, 1024), x.peerName()
	r.MaxTokens, r.Stream = x.in.LLM.MaxTokens, x.in.LLM.Stream
	r.RequestSize = int64(len(x.body))
	if m := &x.in.MCP; m.Method != "" {
		r.Operation, r.Target = m.Method, clip(m.Tool+m.Resource+m.Prompt, 1024) // one of them is set
	}
	r.Filters = x.filtered
	if x.from != nil {
		r.Text = clip(x.from.why, 1024)
	}
	for _, s := range x.shadow {
		r.Shadow = append(r.Shadow, s.Name)
	}
	if x.gate.Audit != "Metadata" && len(x.body) > 0 {
		r.RequestDigest = digestOf(x.body)
	}
	if x.gate.Audit == "Bodies" {
		r.RequestBody = clip(string(x.body), maxRecorded)
	}
	return r
}

// recordOf has what decision and outcome have in common. It is good until the next call: a log keeps none.
func (x *exchange) recordOf(kind string) *audit.Record {
	if x.book == nil {
		x.book = books.Get().(*audit.Record)
	}
	r := x.book
	*r = audit.Record{Kind: kind, Request: x.id, Gate: x.gate.Name, Snapshot: x.gate.number, Model: clip(x.in.LLM.Model, 256)}
	if c := x.caller; c != nil {
		r.Principal, r.Instance = c.principal.Name, c.instance
		if c.token != nil {
			r.Token = c.token.ID
		}
	}
	if x.route != nil {
		r.Route = x.route.Name
	}
	if x.rule != nil {
		r.Rule = x.rule.Name
	}
	if x.backend != nil {
		r.Backend, r.Remote = x.backend.Name, x.backend.Remote
	}
	return r
}

// headers that each answer has.
func (x *exchange) mark(outcome string) {
	h := x.w.Header()
	x.said[0], x.said[1] = outcome, x.id
	h["X-Mirrorgate-Decision"] = x.said[0:1:1]
	h["X-Mirrorgate-Request-Id"] = x.said[1:2:2]
	if x.rule != nil {
		x.said[2] = x.rule.Name
		h["X-Mirrorgate-Rule"] = x.said[2:3:3]
	}
	if len(x.edits) > 0 {
		h["X-Mirrorgate-Edits"] = []string{strings.Join(x.edits, ", ")}
	}
	if x.from != nil {
		h["X-Mirrorgate-Downgraded-From"] = []string{x.from.route}
	}
	x.meter.mark(h)
}

// clip bounds what a caller says in a record.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// edit notes an edit by its name.
func (x *exchange) edit(e strict.Edit) strict.Edit {
	x.edits = append(x.edits, e.Name)
	return e
}
