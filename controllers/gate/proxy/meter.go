package proxy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
	"mirroros.dev/mirroros/reconcile/audit"
)

// meter follows what a call takes, from the reservation in stage 6 to the settlement in stage 10. A call has none where there is no ledger.
type meter struct {
	ask   Ask
	res   Reservation
	held  bool // by a budget
	state *routeState
	route *route

	// of a call to a model
	op      *operation
	bound   *bound
	capped  bool  // the client set a bound
	granted int64 // output tokens that each choice was granted
	cut     bool  // that is less than it would have been without a budget

	// what became of it
	kept     bool   // in the ledger's file
	reached  bool   // a backend has some of it
	status   int    // of the answer; 0 when none began
	sealed   bool   // the answer cannot be read
	ended    bool   // the answer came to its end
	length   int64  // of the answer as announced, -1 for none
	bytes    int64  // of the answer that came
	events   int64  // tokens of a stream, as far as they can be counted
	streamed bool   // the answer is a stream of events
	before   []Used // by backends that failed after they had done something
}

// meters makes the meter of a call that may go to any backend of a plan; nil when nobody wants to know what it takes.
func (x *exchange) meters(plan []attempt) *meter {
	if x.server.ledger.Load() == nil {
		return nil
	}
	m := &meter{route: x.route, state: x.route.state, length: -1}
	m.ask = Ask{Request: x.id, Principal: x.caller.principal.Name, Gate: x.gate.Name, Route: x.route.Name, Model: x.in.LLM.Model, Choices: 1}
	for _, a := range plan {
		if a.Price != nil {
			m.ask.Prices = append(m.ask.Prices, a.Price)
		}
	}
	return m
}

// reserve is the second half of stage 6 for a call that takes no tokens.
func (x *exchange) reserve(plan []attempt) *refusal {
	m := x.meters(plan)
	if m == nil {
		return nil
	}
	return x.hold(m)
}

// reserveTokens is the second half of stage 6 for a call to a model. Under a budget it goes with a cap, and with no more than the budgets have left.
func (x *exchange) reserveTokens(plan []attempt, c *call, op *operation) *refusal {
	m := x.meters(plan)
	if m == nil {
		return nil
	}
	m.op = op
	if bad := m.bounds(x, c); bad != nil {
		return bad
	}
	if bad := x.hold(m); bad != nil || !m.held {
		return bad
	}
	if m.bound != nil && m.bound.open != "" {
		return refuse(UnboundedCall, "%s", m.bound.open)
	}
	if len(op.caps) > 0 {
		m.granted = min(m.ask.Output, m.res.Output())
		m.cut = m.granted < m.wanted(x)
		c.capAt(m.granted, op, x)
	}
	return nil
}

// bounds finds what a call takes at most.
func (m *meter) bounds(x *exchange, c *call) *refusal {
	if m.op.free {
		m.ask.Prices = nil
		return nil
	}
	size := int64(len(x.body))
	for _, e := range c.edits {
		size += max(0, int64(len(e.New)-(e.End-e.At)))
	}
	b, err := boundOf(c.body, m.op, size, m.route.ImageTokens)
	if err != nil {
		return refuse(BadJSON, "%v", err)
	}
	m.bound = b
	m.ask.Input, m.ask.Choices = b.input(), b.choices
	if m.route.InputBound == BoundLearned {
		if n := m.state.input(b.text); n > 0 {
			m.ask.Input = min(m.ask.Input, n+b.apart)
		}
	}
	if len(m.op.caps) > 0 {
		m.capped = c.capped
		m.ask.Output = m.wanted(x)
		if estimate := m.state.output(); !m.capped && estimate > 0 {
			m.ask.Output = min(m.ask.Output, estimate)
		}
		m.ask.MinOutput = min(m.ask.Output, leastOutput)
	}
	return nil
}

// wanted is the cap of each choice without a budget. Some servers take 0 for no bound at all, so 1 is the least.
func (m *meter) wanted(x *exchange) int64 {
	n := x.in.LLM.MaxTokens
	if !m.capped && m.route.fill() == 0 {
		n = uncapped
	}
	return max(n, 1)
}

// hold asks the ledger. From then on the call is settled or cancelled at its end, whatever happens.
func (x *exchange) hold(m *meter) *refusal {
	if b := m.state.stopped(m.route.RouteConfig); b != nil {
		return refuse(BoundsBroken, "%s", b.why)
	}
	ctx, cancel := context.WithCancel(&x.ctx)
	defer cancel()
	if x.r != nil {
		defer context.AfterFunc(x.r.Context(), cancel)()
	}
	began := x.now()
	res, over, err := (*x.server.ledger.Load()).Reserve(ctx, &m.ask)
	x.stage = x.now()
	x.server.metrics.waits.Observe(x.stage.Sub(began).Seconds())
	switch {
	case ctx.Err() != nil && res == nil:
		reason := ClientGone
		if c := causeOf(&x.ctx); c != nil {
			reason = c.reason
		}
		return refuse(reason, "")
	case errors.Is(err, ErrUnaccountable):
		return refuse(Unaccountable, "%s", err)
	case err != nil:
		bad := refuse(LedgerFailed, "")
		bad.err = err
		return bad
	case over != nil:
		x.exceed(m.route.Name, over)
		return &refusal{reason: BudgetExceeded, text: over.String(), exceeded: over}
	case res == nil:
		return nil
	}
	m.res, m.held = res, res.Held()
	x.meter = m
	x.server.metrics.reserved.add(x.name, 1)
	return nil
}

// drop gives back what was reserved for a call that goes another way.
func (x *exchange) drop() {
	if m := x.meter; m != nil {
		m.res.Cancel()
		x.server.metrics.reserved.add(x.name, -1)
		x.meter = nil
	}
}

// keep writes the decision down, and what was reserved with it. Where it must be on the disk both are written at once.
func (x *exchange) keep(r *audit.Record) *refusal {
	m := x.meter
	if m == nil {
		return written(x.server.o.Audit.Write(r, x.gate.Durable))
	}
	r.Reserved = m.reserved()
	if !x.gate.Durable {
		if err := m.res.Commit(false); err != nil {
			return unkept(err)
		}
		m.kept = true
		return written(x.server.o.Audit.Write(r, x.gate.Durable))
	}
	committed := make(chan error, 1)
	go func() { committed <- m.res.Commit(true) }()
	bad := written(x.server.o.Audit.Write(r, x.gate.Durable))
	err := <-committed
	m.kept = err == nil
	if bad == nil && err != nil {
		x.decided = true // the record says so; that of the outcome will say that it failed
		bad = unkept(err)
	}
	return bad
}

func written(err error) *refusal {
	if err == nil {
		return nil
	}
	return &refusal{reason: AuditFailed, err: err}
}

func unkept(err error) *refusal { return &refusal{reason: LedgerFailed, err: err} }

// reserved is how many tokens were set aside.
func (m *meter) reserved() int64 {
	if !m.held {
		return 0
	}
	out := product(m.granted, m.ask.Choices)
	return m.ask.Input + min(out, 1<<62-m.ask.Input)
}

// affords tells whether a backend that was not asked for takes no more than those that were.
func (m *meter) affords(p *Price) bool {
	return m == nil || p == nil || slices.ContainsFunc(m.ask.Prices, func(q *Price) bool {
		return p.InputPerMillion <= q.InputPerMillion && p.CachedPerMillion <= q.CachedPerMillion && p.OutputPerMillion <= q.OutputPerMillion &&
			p.PerCall <= q.PerCall
	})
}

// The methods below note what becomes of a call; a call without a meter costs nothing.

// answer notes that a backend answered.
func (m *meter) answer(status int) {
	if m != nil {
		m.status, m.reached = status, true
	}
}

// answers notes an answer that can be read.
func (m *meter) answers(resp *upstream.Response, events bool) {
	if m != nil {
		m.answer(resp.Status)
		m.length, m.streamed, m.sealed = resp.Length, events, resp.Header.Get("Content-Encoding") != ""
	}
}

// piece notes a piece of the answer.
func (m *meter) piece(n int) {
	if m != nil {
		m.bytes += int64(n)
	}
}

// end notes that the answer is whole.
func (m *meter) end() {
	if m != nil {
		m.ended = true
	}
}

// sent notes that a backend may have something of the call, though it did not answer.
func (m *meter) sent() {
	if m != nil {
		m.reached = true
	}
}

// capAt bounds the answer by what was granted.
func (c *call) capAt(n int64, op *operation, x *exchange) {
	found := false
	for i, name := range capNames {
		value := c.caps[i]
		have, err := value.Count()
		if err != nil {
			continue
		}
		found = found || slices.Contains(op.caps, name)
		if have > n || have == 0 {
			c.set(value.Replace(name, strict.Number(n)), x)
		}
	}
	if !found {
		c.set(c.put(op.caps[0], strict.Number(n)), x)
	}
}

// set makes an edit, in place of one of the gate's that was there.
func (c *call) set(e strict.Edit, x *exchange) {
	x.rewritten = true
	for i := range c.edits {
		if c.edits[i].Name == e.Name && c.edits[i].At == e.At {
			c.edits[i] = e
			return
		}
	}
	c.edits = append(c.edits, x.edit(e))
}

var limitHeaders = [2][3]string{
	{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
}

// mark tells the client how its budgets stand, in the headers that OpenAI has for it, in place of a backend's own.
func (m *meter) mark(h http.Header) {
	if m == nil || !m.held {
		return
	}
	tokens, requests := m.res.Left()
	for i, left := range [2]Left{tokens, requests} {
		left.mark(h, limitHeaders[i])
	}
	if m.cut {
		h["X-Mirrorgate-Output-Cap"] = []string{strconv.FormatInt(m.granted, 10)}
	}
}

func (l *Left) mark(h http.Header, names [3]string) {
	for _, name := range names {
		delete(h, name)
	}
	if !l.Known {
		return
	}
	h[names[0]] = []string{strconv.FormatInt(l.Limit, 10)}
	h[names[1]] = []string{strconv.FormatInt(max(0, l.Remaining), 10)}
	if l.Reset >= 0 {
		h[names[2]] = []string{seconds(l.Reset).String()}
	}
}

// seconds rounds up to whole ones, as 1s or 6m0s.
func seconds(d time.Duration) time.Duration { return (d + time.Second - 1).Truncate(time.Second) }
