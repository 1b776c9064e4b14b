package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// settle is stage 10. It is called once for each request, at its end, whatever that was.
func (x *exchange) settle() {
	m := x.meter
	if m == nil {
		return
	}
	x.server.metrics.reserved.add(x.name, -1)
	used := m.before
	if u, some := m.used(x); some {
		used = append(used, u)
	}
	if !m.kept || len(used) == 0 {
		m.res.Cancel()
		return
	}
	m.res.Settle(used...)
	m.learn(&x.usage)
	m.check(x)
}

// used is what the last backend took; not any when it did nothing. What a backend tells counts, and an explicit zero is zero. What it does not
// tell, or not as a number, is bounded by what can be seen.
func (m *meter) used(x *exchange) (u Used, any bool) {
	var price *Price
	if x.backend != nil {
		price = x.backend.Price
	}
	switch {
	case m.status == 0 && !(m.reached && m.abandoned(x)):
		return Used{}, false // it failed before it answered
	case m.bound == nil && m.op != nil:
		return Used{}, true // a request, and nothing else
	case m.bound == nil:
		return Used{Price: price}, true
	}
	told := &x.usage
	if m.status >= http.StatusBadRequest && !told.known() {
		return Used{}, true // it refused, and did nothing
	}
	u = Used{Input: m.ask.Input, Price: price}
	if told.hasInput {
		u.Input, u.Cached = told.input(), told.cached()
	}
	switch {
	case told.hasOutput:
		u.Output = told.output()
	case len(m.op.caps) > 0:
		u.Output = m.counted()
	}
	return u, true
}

// abandoned tells whether it was the gate or its client that ended a call which a backend was at work on: what it had done by then nobody knows.
func (m *meter) abandoned(x *exchange) bool {
	switch x.reason {
	case ClientGone, Revoked, RequestTimeout, Ended, Internal:
		return true
	}
	return false
}

// counted is the output of an answer that does not tell it: of a stream its events, else its bytes, and never more than was reserved.
func (m *meter) counted() int64 {
	most := product(m.limit(), m.bound.choices)
	switch {
	case m.status == 0, m.sealed:
		return most
	case m.streamed:
		return min(m.events, most)
	case m.ended:
		return min(m.bytes, most)
	case m.length >= 0:
		return min(m.length, most)
	}
	return most
}

// limit is the cap of each choice: what was granted, or without a budget what was asked for.
func (m *meter) limit() int64 {
	if m.held {
		return m.granted
	}
	return m.ask.Output
}

// learn remembers what the call took, for the bounds of later ones.
func (m *meter) learn(told *usage) {
	if m.bound == nil || m.status >= http.StatusBadRequest {
		return
	}
	if told.hasInput && !m.bound.images {
		m.state.asked(max(0, told.input()-m.bound.apart), m.bound.text)
	}
	if told.hasOutput && len(m.op.caps) > 0 && !m.capped {
		sent := int64(0)
		if m.held {
			sent = m.granted
		}
		m.state.answered(told.output()/m.bound.choices, sent)
	}
}

// check stops a route whose backend took more than it was told to: no bound of it can be trusted, so no budget can be kept.
func (m *meter) check(x *exchange) {
	told := &x.usage
	if !m.held || m.bound == nil {
		return
	}
	name := "the backend"
	if x.backend != nil {
		name = x.backend.Name
	}
	why := ""
	switch most := product(m.granted, m.bound.choices); {
	case told.hasOutput && len(m.op.caps) > 0 && told.output() > most:
		why = fmt.Sprintf("%s answered with %d tokens where the cap was %d", name, told.output(), most)
	case told.hasInput && told.input() > m.bound.input():
		why = fmt.Sprintf("%s counted %d tokens of input where %d are the most", name, told.input(), m.bound.input())
	default:
		return
	}
	why += " (request " + x.id + ")"
	m.state.breach.Store(&breach{m.route.RouteConfig, why})
	x.log.Error(nil, "Route stopped: its bounds were broken, so no budget of it could be kept; change the route, or start the gate anew",
		"gate", x.name, "route", m.route.Name, "why", why)
	x.server.o.Stopped()
}

// failedOver notes what a backend took that failed and told it all the same, before the next one is tried.
func (x *exchange) failedOver(resp *upstream.Response) {
	m := x.meter
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if m == nil || m.bound == nil || media != jsonMedia || resp.Length < 0 || resp.Length > wholeAnswer {
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return
	}
	var told usage
	t := &tap{usage: &told}
	if t.feed(body); told.known() {
		m.before = append(m.before, Used{Input: told.input(), Cached: told.cached(), Output: told.output(), Price: x.backend.Price})
	}
}

// event counts the tokens of an event of a stream, for the case that its end tells no usage: one at least for an event that says something, and no
// less than an eighth of its bytes.
func (m *meter) event(data []byte) {
	if m != nil {
		if n := saidBytes(data); n > 0 {
			m.events += max(1, int64(n)/8)
		}
	}
}

// saidBytes is how many bytes of strings a JSON text has in members that hold what is said. It reads quickly and believes that it is JSON.
func saidBytes(data []byte) (n int) {
	said := false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			begin := i + 1
			for i = begin; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			inner := data[begin:min(i, len(data))]
			if next := bytes.TrimLeft(data[min(i+1, len(data)):], " \t\r\n"); len(next) > 0 && next[0] == ':' {
				said = isSaid(inner)
			} else if said {
				n += len(inner)
			}
		case '{', '}', ']':
			said = false
		}
	}
	return n
}

func isSaid(name []byte) bool {
	switch string(name) {
	case "content", "text", "arguments", "delta", "partial_json", "reasoning_content", "reasoning", "thinking", "refusal":
		return true
	}
	return false
}
