package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/mcp"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// serveMCP takes a message to an MCP server from stage 3 to the end of stage 9. What the caller may not use looks unknown, in lists and in
// calls alike.
func serveMCP(x *exchange) *refusal {
	x.opaque = true
	x.dialect = mcpError(mcp.Operation{})
	if rest := strings.TrimPrefix(x.r.URL.Path, strings.TrimSuffix(x.route.Path, "/")); rest != "" && rest != "/" {
		return refuse(NoRoute, "")
	}
	if bad := x.found(x.route); bad != nil {
		return bad
	}
	var op mcp.Operation
	switch x.r.Method {
	case http.MethodPost:
		var bad *refusal
		if op, bad = x.message(); bad != nil {
			return bad
		}
	case http.MethodGet, http.MethodDelete: // the server's own stream, and the end of a session
		op = mcp.Operation{Method: x.r.Method, List: true}
		x.endless = x.r.Method == http.MethodGet
	default:
		x.w.Header().Set("Allow", "GET, POST, DELETE")
		return refuse(MethodNotAllowed, "")
	}
	session, bad := x.session()
	if bad != nil {
		return bad
	}
	x.operation(op)
	x.ended(3)
	if bad := x.decideOperation(op); bad != nil {
		return bad
	}
	edits, bad := x.filterMessage()
	if bad != nil {
		return bad
	}
	if op.Filtered || x.endless {
		x.lists = func(media string) AnswerFilter { return newListFilter(media, x.mayUse) }
	}
	return x.sendMessage(edits, session)
}

// message reads what a POST asks for.
func (x *exchange) message() (mcp.Operation, *refusal) {
	if !isJSON(x.r.Header) {
		return mcp.Operation{}, refuse(BadMediaType, "")
	}
	if bad := x.readBody(); bad != nil {
		return mcp.Operation{}, bad
	}
	op, fault := mcp.Parse(x.r.Header, x.body)
	x.dialect = mcpError(op)
	if fault != nil {
		bad := refuse(BadRequest, "%s", fault.Message)
		bad.answer = fault
		return op, bad
	}
	return op, nil
}

// operation fills in what rules look at.
func (x *exchange) operation(op mcp.Operation) {
	in := x.input()
	in.MCP.Method, in.MCP.Tool, in.MCP.Resource, in.MCP.Prompt = op.Method, op.Tool, op.Resource, op.Prompt
	in.List = op.List || op.Kind == mcp.Answer
	if x.gate.usesArguments && len(op.Arguments) > 0 {
		_ = json.Unmarshal(op.Arguments, &in.MCP.Arguments) // it was read strictly before
	}
}

// decideOperation is stage 4. A subscription to several resources must be good for each. A refusal of what has a name is that of a server
// which does not have it.
func (x *exchange) decideOperation(op mcp.Operation) *refusal {
	for _, uri := range op.Resources {
		in := x.in
		in.MCP.Resource, in.List = uri, false
		if v := x.gate.decide(&in); !v.allowed() {
			x.in.MCP.Resource, x.in.List = uri, false
			break
		}
	}
	bad := x.decide()
	if bad != nil && (op.Tool != "" || op.Prompt != "" || op.Resource != "" || len(op.Resources) > 0) {
		bad.answer = mcp.Unknown(op)
	}
	return bad
}

func (x *exchange) filterMessage() ([]strict.Edit, *refusal) {
	if len(x.body) == 0 {
		return nil, nil
	}
	v, err := strict.Check(x.body)
	if err != nil {
		return nil, refuse(BadJSON, "%v", err)
	}
	return x.filter(v)
}

// sendMessage is stages 6 to 9. session is the server's name of it.
func (x *exchange) sendMessage(edits []strict.Edit, session string) *refusal {
	plan, bad := x.choose()
	if bad != nil {
		return bad
	}
	if !x.in.List { // what only lists or keeps up the protocol is no call
		if bad := x.reserve(plan); bad != nil {
			return bad
		}
	}
	if bad := x.record(); bad != nil {
		return bad
	}
	defer context.AfterFunc(x.r.Context(), func() { x.ctx.cancel(errAbandoned) })()
	body := x.body
	if len(edits) > 0 {
		body = strict.Apply(x.body, edits)
	}
	resp, at, bad := x.forward(plan, func(b *backend) (*upstream.Request, error) {
		header := x.header()
		if session != "" {
			header[sessionHeader] = []string{session}
		}
		return &upstream.Request{Method: x.r.Method, Path: x.pathAt(b), Header: header, Body: body}, nil
	})
	if bad != nil {
		if x.tied != nil && bad.reason == BackendNotReady { // its instance has gone meanwhile, and the session with it
			bad = x.unknownSession()
		}
		return bad
	}
	defer at.busy.Add(-1)
	x.given(resp.Header, at)
	return x.relay(resp, false)
}

// mayUse tells whether rules would allow the caller what a list names, by the same decision that a use of it would get.
func (x *exchange) mayUse(kind, name string) bool {
	in := x.in
	in.List, in.MCP.Arguments = false, nil
	in.MCP.Tool, in.MCP.Resource, in.MCP.Prompt = "", "", ""
	switch kind {
	case mcp.Tool:
		in.MCP.Method, in.MCP.Tool = "tools/call", name
	case mcp.Prompt:
		in.MCP.Method, in.MCP.Prompt = "prompts/get", name
	default: // a template stands for what begins as it does
		in.MCP.Method, in.MCP.Resource = "resources/read", name
	}
	v := x.gate.decide(&in)
	return v.allowed()
}

// mcpError tells of a refusal as JSON-RPC does.
func mcpError(op mcp.Operation) dialect {
	return func(status int, reason Reason, message, id string) (string, []byte) {
		return jsonMedia, append(mcp.Refused(op, status, message, fmt.Sprintf(`{"code":"gate_denied","reason":%q,"requestId":%q}`, reason, id)).Body(), '\n')
	}
}

// listFilter takes out of answers what the caller may not use.
type listFilter struct {
	events *mcp.Events // of a stream; nil for one message
	may    mcp.Allowed
	held   []byte
}

// maxList bounds an answer that must be seen whole.
const maxList = 16 << 20

func newListFilter(media string, may mcp.Allowed) *listFilter {
	f := &listFilter{may: may}
	if media == "text/event-stream" {
		f.events = &mcp.Events{Allowed: may}
	}
	return f
}

// Piece gives on whole events, or holds a message back until its end.
func (f *listFilter) Piece(p []byte) ([]byte, string, error) {
	if f.events != nil {
		out, err := f.events.Feed(p)
		return out, "", err
	}
	if len(f.held)+len(p) > maxList {
		return nil, "it is larger than 16 MiB", nil
	}
	f.held = append(f.held, p...)
	return nil, "", nil
}

// Acted is not told: what the rules that decide take out of a list is no filter's doing.
func (*listFilter) Acted() bool { return false }

// End gives the message without what was taken out. An answer that is none, such as 202 without a body, has nothing to take out.
func (f *listFilter) End() ([]byte, string, error) {
	if f.events != nil || len(f.held) == 0 {
		return nil, "", nil
	}
	out, _, err := mcp.Filter(f.held, f.may)
	return out, "", err
}
