package proxy

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// Client sends requests to backends. *upstream.Client is one.
type Client interface {
	Do(ctx context.Context, t upstream.Target, r *upstream.Request) (*upstream.Response, error)
}

// forward is the first half of stage 8: it tries the backends of a plan in turn until one answers. What makes the request for a backend is
// called once for each. Nothing is tried again once a backend may have begun to act, but for a status or a silence that the route names.
func (x *exchange) forward(plan []attempt, request func(*backend) (*upstream.Request, error)) (*upstream.Response, *endpoint, *refusal) {
	var bad *refusal
	again := false
	for i := 0; i < len(plan); i++ {
		a := plan[i]
		x.backend = a.backend
		r, err := x.prepare(a.backend, request)
		if err != nil {
			bad = refuse(BackendAuth, "")
			bad.err = err
			return nil, nil, bad
		}
		resp, at, failed := x.try(a, r)
		last := i == len(plan)-1
		switch {
		case failed == nil && (last || !x.route.on5xx || resp.Status < 500 || x.spent()):
			return resp, at, nil
		case failed == nil:
			x.failedOver(resp)
			_ = resp.Body.Close()
			at.busy.Add(-1)
			continue
		}
		if failed.reason == BackendNotReady && !again && x.tied == nil {
			if fresh := x.replan(); len(fresh) > 0 {
				plan, i, again = fresh, -1, true
				continue
			}
		}
		if bad = failed; last || x.spent() || !x.mayFallBack(bad.reason) {
			break
		}
	}
	return nil, nil, bad
}

// replan chooses once more, by what is in force now, because what was chosen is gone: the route goes elsewhere since. Whether the request may leave
// the host stays as its rule decided.
func (x *exchange) replan() []attempt {
	v := x.server.view.Load()
	g := v.gates[x.gate.Name]
	if g == nil || g.routes[x.route.Name] == nil || g.routes[x.route.Name].Protocol != x.route.Protocol {
		return nil
	}
	x.by = v.endpoints
	plan, bad := g.routes[x.route.Name].choose(v.endpoints, x.rule != nil && x.rule.AllowRemote)
	if bad != nil {
		return nil
	}
	return slices.DeleteFunc(plan, func(a attempt) bool { return !x.meter.affords(a.Price) }) // nothing was set aside for a dearer one
}

// mayFallBack tells whether the route goes on after a failure.
func (x *exchange) mayFallBack(r Reason) bool {
	return r == ConnectError && x.route.onConnect || r == FirstByteTimeout && x.route.onFirstByteExpiry
}

// prepare makes the request for a backend and puts in what the gate tells it in place of the caller's credentials.
func (x *exchange) prepare(b *backend, request func(*backend) (*upstream.Request, error)) (*upstream.Request, error) {
	r, err := request(b)
	if err != nil {
		return nil, err
	}
	r.Connect, r.FirstByte, r.Idle = x.route.Connect, x.route.FirstByte, x.route.Idle
	if x.endless {
		r.FirstByte, r.Idle = 0, 0
	}
	if b.AuthFile != "" {
		value, err := x.server.secrets.get(b.AuthFile, x.now())
		if err != nil {
			return nil, err
		}
		r.Header.Set(b.AuthHeader, b.AuthPrefix+value)
	}
	return r, nil
}

// try sends a request to the addresses of one backend, the least busy first, until one could be reached. The address that answered counts as
// busy until the caller says otherwise.
func (x *exchange) try(a attempt, r *upstream.Request) (*upstream.Response, *endpoint, *refusal) {
	var bad *refusal
	path, list := r.Path, leastBusy(a.endpoints)
	for i := 0; i < len(list); i++ {
		at := list[i]
		at.busy.Add(1)
		x.going.Store(at)
		if fresh, stale := x.gone(a, at); stale {
			at.busy.Add(-1)
			list, i = leastBusy(fresh), -1
			continue
		}
		r.Path = at.path + path
		resp, err := x.server.o.Client.Do(&x.ctx, at.target, r)
		if err == nil {
			return resp, at, nil
		}
		at.busy.Add(-1)
		if bad = x.failure(err); bad.reason != ConnectError || x.spent() {
			return nil, nil, bad
		}
	}
	if bad == nil {
		bad = refuse(BackendNotReady, "")
	}
	return nil, nil, bad
}

// gone tells whether an address was taken out since it was chosen, and which are there now. It is asked after the exchange has said where it
// goes: so either the exchange sees that the address is gone, or who waits for the address sees the exchange.
func (x *exchange) gone(a attempt, at *endpoint) (fresh []*endpoint, stale bool) {
	now := x.server.view.Load().endpoints
	if now == x.by {
		return nil, false
	}
	x.by = now
	fresh = a.now(now)
	return fresh, !slices.ContainsFunc(fresh, func(e *endpoint) bool { return e.target.Address == at.target.Address })
}

// failure tells what went wrong with a backend.
func (x *exchange) failure(err error) *refusal {
	reason := BackendBroken
	var e *upstream.Error
	c := causeOf(&x.ctx)
	if errors.As(err, &e) && e.Phase != upstream.Connecting {
		x.meter.sent()
	}
	switch {
	case c != nil:
		reason = c.reason
	case e == nil:
	case e.Phase == upstream.Connecting:
		reason = ConnectError
	case e.Phase == upstream.Waiting && e.Timeout:
		reason = FirstByteTimeout
	case e.Phase == upstream.Answering && e.Timeout:
		reason = IdleTimeout
	}
	bad := refuse(reason, "")
	bad.err = err
	return bad
}

// header gives the headers that go to a backend.
func (x *exchange) header() http.Header { return endToEnd(x.r.Header, cookies) }
