package proxy

import (
	"context"
	"net/http"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/forward"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// serveHTTP takes a plain request from stage 3 to the end of stage 9. Its body goes on as it comes, unless a filter must look at it; an upgraded
// connection belongs to its two ends.
func serveHTTP(x *exchange) *refusal {
	x.dialect, x.opaque = plainError, true
	if bad := x.found(x.route); bad != nil {
		return bad
	}
	if x.r.ContentLength > x.gate.MaxBodyBytes {
		return refuse(BodyTooLarge, "")
	}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, x.gate.MaxBodyBytes)
	x.input().Request.Size = max(x.r.ContentLength, 0)
	x.ended(3)
	if bad := x.decide(); bad != nil {
		return bad
	}
	out, bad := x.plainRequest()
	if bad != nil {
		return bad
	}
	plan, bad := x.choose()
	if bad != nil {
		return bad
	}
	if bad := x.reserve(plan); bad != nil {
		return bad
	}
	if bad := x.record(); bad != nil {
		return bad
	}
	defer context.AfterFunc(x.r.Context(), func() { x.ctx.cancel(errAbandoned) })()
	resp, at, bad := x.forward(plan, func(b *backend) (*upstream.Request, error) {
		one := *out
		one.Path, one.Header = x.pathAt(b), out.Header.Clone()
		return &one, nil
	})
	if bad != nil {
		return bad
	}
	defer at.busy.Add(-1)
	if resp.Switched != nil {
		return x.switched(resp)
	}
	return x.relay(resp, false)
}

// plainRequest makes the request that goes on, and has the filters look at it.
func (x *exchange) plainRequest() (*upstream.Request, *refusal) {
	active, shadow, err, of := x.gate.filtersOf(&x.in)
	if err != nil {
		return nil, &refusal{reason: FilterError, rule: of, err: err}
	}
	if len(active)+len(shadow) > 0 && x.r.ContentLength != 0 {
		if bad := x.readBody(); bad != nil {
			return nil, bad
		}
		v, err := strict.Check(x.body)
		if err != nil {
			return nil, &refusal{reason: FilterError, text: "it is no JSON", err: err}
		}
		edits, bad := x.filter(v)
		if bad != nil {
			return nil, bad
		}
		return &upstream.Request{Method: x.r.Method, Header: endToEnd(x.r.Header, nil), Body: strict.Apply(x.body, edits)}, nil
	}
	x.filters = active
	out, err := forward.Request(x.w, x.r, endToEnd(x.r.Header, nil))
	if err != nil {
		bad := refuse(BodyBroken, "")
		bad.err = err
		return nil, bad
	}
	x.upload, _ = out.Stream.(*forward.Body)
	return out, nil
}

// spent tells that the body cannot be sent again: some of it has gone to a backend.
func (x *exchange) spent() bool { return x.upload != nil && x.upload.Touched() }

// pathAt is the path at a backend, with the query: the backend's own path stands for the route's.
func (x *exchange) pathAt(b *backend) string {
	path := x.r.URL.EscapedPath()
	if b.Path != "" {
		path = strings.TrimSuffix(b.Path, "/") + strings.TrimPrefix(path, strings.TrimSuffix(x.route.Path, "/"))
		if path == "" {
			path = "/"
		}
	}
	if x.r.URL.RawQuery != "" || x.r.URL.ForceQuery {
		path += "?" + x.r.URL.RawQuery
	}
	return path
}

// switched joins client and backend after a 101. It ends with either of them, or when the caller is nobody any more.
func (x *exchange) switched(resp *upstream.Response) *refusal {
	x.switchedTo.Store(true)
	x.server.o.Counted() // whoever waits for the address need not wait for this any more
	x.mark(x.outcome())
	x.begun, x.status = true, http.StatusSwitchingProtocols
	x.meter.answer(x.status)
	x.server.metrics.streams.add(x.name, 1)
	defer x.server.metrics.streams.add(x.name, -1)
	moved, err := forward.Switch(&x.ctx, x.w, resp, 0)
	x.sent = moved.BToA
	x.tunnelled(err)
	return nil
}

// tunnelled notes how a tunnel ended.
func (x *exchange) tunnelled(err error) {
	if err == nil {
		return
	}
	x.failed, x.reason = true, BackendBroken
	if c := causeOf(&x.ctx); c != nil {
		x.reason = c.reason
	}
}
