package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"mirroros.dev/mirroros/controllers/gate"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// gatesAPI gives the gates to the API in its own words.
type gatesAPI struct{ op *operator }

func (g gatesAPI) CreateToken(ctx context.Context, principal string, a specs.TokenRequest) (*specs.IssuedToken, error) {
	t, text, err := g.op.gates.CreateToken(ctx, principal, gate.Issue{TTL: a.TTL.Duration, Scope: a.Scope, Reason: a.Reason, By: a.By})
	if err != nil {
		return nil, err
	}
	return &specs.IssuedToken{Token: apiToken(t), Text: text}, nil
}

func apiToken(t gate.Token) specs.Token {
	return specs.Token{ID: t.ID, Principal: t.Principal, Created: t.Created, Expires: t.Expires, Scope: t.Scope, Reason: t.Reason}
}

func (g gatesAPI) Tokens(principal string) []specs.Token {
	list := g.op.gates.Tokens(principal)
	out := make([]specs.Token, len(list))
	for i, t := range list {
		out[i] = apiToken(t)
	}
	return out
}

func (g gatesAPI) RevokeTokens(ctx context.Context, principal string, ids []string, by string) ([]string, error) {
	return g.op.gates.RevokeTokens(ctx, principal, ids, by)
}

func (g gatesAPI) CanI(ctx context.Context, q specs.Question) (*specs.Explanation, error) {
	e, err := g.op.gates.CanI(ctx, gate.Question(q))
	if err != nil {
		return nil, err
	}
	out := explained(e)
	out.Principal, out.Decision = q.Principal, "Refused"
	if e.Trace.Allowed {
		out.Decision = "Allowed"
	}
	out.Allowed, out.Rule = e.Trace.Allowed, e.Trace.Rule
	if !e.Trace.Allowed {
		out.Stage = rulesStage
	}
	return out, nil
}

// rulesStage is the stage of the gate in which rules decide.
const rulesStage = 4

func (g gatesAPI) Why(ctx context.Context, request string) (*specs.Explanation, error) {
	e, err := g.op.gates.Why(ctx, request)
	if err != nil {
		return nil, err
	}
	out, d := explained(e), e.Decision
	out.Request, out.Time, out.Principal, out.Decision, out.Stage, out.Reason, out.Rule = d.Request, d.Time, d.Principal, d.Decision, d.Stage, d.Reason, d.Rule
	out.Allowed = d.Decision == "Allowed" || d.Decision == "Rewritten"
	out.RequestFilters = d.Filters
	var notes []string
	if d.Text != "" { // such as which budget had too little left, or what a call was downgraded from
		notes = append(notes, d.Text)
	}
	if o := e.Outcome; o != nil {
		out.Decision, out.Status, out.Milliseconds, out.AnswerFilters = o.Decision, o.Status, o.Milliseconds, o.Filters
		if o.Reason != "" {
			out.Reason, out.Stage = o.Reason, o.Stage
		}
	} else if out.Allowed {
		notes = append(notes, "it goes on, or its gate ended before it did")
	}
	switch {
	case e.Lost:
		notes = append(notes, fmt.Sprintf("snapshot %d is not kept any more: these are the rules of %d", d.Snapshot, e.Then))
	case e.Then != e.Now:
		notes = append(notes, fmt.Sprintf("the rules have changed since: snapshot %d is in force", e.Now))
	}
	if len(out.Tried) > 0 && !e.Lost && e.Trace.Rule != d.Rule {
		notes = append(notes, "a condition looked at what is not recorded (headers, arguments, tools): the record is right, the list may not be")
	}
	out.Note = strings.Join(notes, "; ")
	return out, nil
}

// explained is what a question and a record have in common.
func explained(e *gate.Explanation) *specs.Explanation {
	out := &specs.Explanation{Gate: e.Gate, Route: e.Route, Asked: e.Asked, Snapshot: e.Then, Revision: e.Revision}
	for _, t := range e.Trace.Tried {
		tried := specs.TriedRule{Priority: t.Priority, Rule: t.Rule, Place: t.Place, Action: t.Action, Shadow: t.Shadow, Matched: t.Miss == proxy.Matched, Why: t.Why}
		tried.Nearest = e.Trace.Nearest != nil && e.Trace.Nearest.Rule == t.Rule
		out.Tried = append(out.Tried, tried)
	}
	return out
}

// WhyPort says what listens on a port: a gate, a service port, an instance, or somebody else.
func (g gatesAPI) WhyPort(_ context.Context, port int) (*specs.Belongs, error) {
	for _, o := range reconcile.List[*specs.Gate](g.op.client) {
		if strings.HasSuffix(o.Status.Address, fmt.Sprintf(":%d", port)) {
			return g.belongs("Gate", o.Name, o.Spec.Why, "port %d is where gate/%s listens", port, o.Name), nil
		}
	}
	for _, p := range reconcile.List[*specs.Process](g.op.client) {
		for _, d := range p.Spec.Ports {
			if int(d.ServicePort) == port {
				return g.belongs("Process", p.Name, p.Spec.Why, "port %d is the servicePort %s of process/%s, held by the gate", port, d.Name, p.Name), nil
			}
		}
	}
	for _, i := range reconcile.List[*specs.Instance](g.op.client) {
		for _, p := range i.Status.Ports {
			if int(p.Port) == port {
				return g.belongs("Process", i.Spec.Process, g.whyProcess(i.Spec.Process), "port %d was given to instance/%s as %s", port, i.Name, p.Name), nil
			}
		}
	}
	if who := runner.Listener(port); who != "" {
		return &specs.Belongs{Text: fmt.Sprintf("%s listens on port %d, and is nothing of this operator", who, port)}, nil
	}
	return &specs.Belongs{Text: fmt.Sprintf("nothing of this operator has port %d, and nobody is seen to listen on it", port)}, nil
}

// WhyPID says which instance a process belongs to.
func (g gatesAPI) WhyPID(_ context.Context, pid int) (*specs.Belongs, error) {
	switch pid {
	case os.Getpid():
		return &specs.Belongs{Object: "mirrorosd", Text: fmt.Sprintf("process %d is this operator", pid)}, nil
	case os.Getppid():
		if underGuard() {
			return &specs.Belongs{Object: "mirrorguard", Text: fmt.Sprintf("process %d is the guardian of this operator", pid)}, nil
		}
	}
	id, ok := g.op.isWorkload(pid)
	if !ok {
		return &specs.Belongs{Text: fmt.Sprintf("process %d is nothing of this operator", pid)}, nil
	}
	ri, found := g.op.runner.Get(id)
	if !found {
		return &specs.Belongs{Object: "instance/" + id, Text: fmt.Sprintf("process %d belongs to instance/%s", pid, id)}, nil
	}
	what := "belongs to"
	if ri.PID == pid {
		what = "is the main process of"
	}
	return g.belongs("Process", ri.Owner, g.whyProcess(ri.Owner), "process %d %s instance/%s of process/%s, started %s, run %d", pid, what, id, ri.Owner,
		ri.Started.Local().Format(time.DateTime), ri.Attempt), nil
}

func (g gatesAPI) whyProcess(name string) string {
	if p, ok := reconcile.Get[*specs.Process](g.op.client, name); ok {
		return p.Spec.Why
	}
	return ""
}

func (g gatesAPI) belongs(kind, name, why, format string, args ...any) *specs.Belongs {
	return &specs.Belongs{Object: strings.ToLower(kind) + "/" + name, Place: g.op.placeText(kind, name), Why: why, Text: fmt.Sprintf(format, args...)}
}
