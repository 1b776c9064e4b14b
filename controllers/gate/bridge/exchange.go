package bridge

import (
	"bytes"
	"net/http"

	"mirroros.dev/mirroros/controllers/gate/proxy/mcp"
)

// exchange is one HTTP request and its answer.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	op      mcp.Operation
	child   *child
	session *session // nil for requests without one

	begun     bool // the answer is a stream of events
	succeeded bool
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (x *exchange) fail(status int, err error) {
	f := mcp.Refused(x.op, status, err.Error(), "")
	if x.begun {
		x.event(f.Body())
		return
	}
	writeJSON(x.w, f.Status, f.Body())
}

// serve passes a message to the child, and what comes back to the client.
func (x *exchange) serve(body []byte) {
	if x.op.Kind != mcp.Request {
		if x.op.Method == "notifications/cancelled" {
			var ok bool
			if body, ok = renamed(x.child, body); !ok { // it is over already
				x.w.WriteHeader(http.StatusAccepted)
				return
			}
		}
		if err := x.child.send(body); err != nil {
			x.fail(http.StatusBadGateway, err)
			return
		}
		x.w.WriteHeader(http.StatusAccepted)
		return
	}
	m, err := read(body)
	if err != nil {
		x.fail(http.StatusBadRequest, err)
		return
	}
	k, err := x.child.begin(body, m)
	if err != nil {
		x.fail(http.StatusBadGateway, err)
		return
	}
	defer x.child.forget(k)
	x.wait(k)
}

// wait passes on what the child says until it has answered.
func (x *exchange) wait(k *call) {
	for {
		stream := x.child.stream
		if x.session != nil && x.session.hasStream() {
			stream = nil // its messages go there
		}
		select {
		case m := <-k.notes:
			x.event(m)
		case m := <-stream:
			x.event(m)
		case m := <-k.answer:
			for len(k.notes) > 0 {
				x.event(<-k.notes)
			}
			x.answer(m)
			return
		case <-x.child.done:
			x.fail(http.StatusOK, x.child.ended())
			return
		case <-x.r.Context().Done():
			if x.op.Modern { // that is how a client of this version cancels
				_ = x.child.send(cancelled(k.inner))
			}
			return
		}
	}
}

func (x *exchange) answer(body []byte) {
	m, err := read(body)
	x.succeeded = err == nil && !m.failed
	if x.begun {
		x.event(body)
		return
	}
	status := http.StatusOK
	if x.op.Modern && m.failed {
		switch m.code {
		case 32601:
			status = http.StatusNotFound
		case 32602, 32020, 32021, 32022:
			status = http.StatusBadRequest
		}
	}
	writeJSON(x.w, status, body)
}

// begin makes the answer a stream of events.
func (x *exchange) begin() {
	x.begun = true
	h := x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	x.w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(x.w).Flush()
}

func (x *exchange) event(message []byte) {
	if !x.begun {
		x.begin()
	}
	_, _ = x.w.Write(append(append([]byte("event: message\ndata: "), bytes.TrimSpace(message)...), "\n\n"...))
	_ = http.NewResponseController(x.w).Flush()
}
