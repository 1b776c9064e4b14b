package proxy

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

const (
	// whole answers up to this size are read before they are written: one write, and a status that is true.
	wholeAnswer = 64 << 10
	// drainBytes and drainTime bound what is read of an answer whose client is gone, to know its usage.
	drainBytes = 4 << 20
	drainTime  = 10 * time.Second
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// relay is the second half of stage 8, and stage 9: it passes the answer on, piece by piece as it comes, taps the usage, and has the filters
// look at what goes on.
type relay struct {
	*exchange
	resp    *upstream.Response
	events  *events // of a stream of events
	tap     *tap    // of JSON
	gone    bool    // the client
	after   int64   // bytes that came since then
	filters answerFilters
	flushes bool // the head goes on before the first event
	idle    time.Duration
	rc      *http.ResponseController
}

func (x *exchange) relay(resp *upstream.Response, dropUsage bool) *refusal {
	r := &relay{exchange: x, resp: resp, idle: x.route.Idle, rc: http.NewResponseController(x.w)}
	if x.endless {
		r.idle = 0
		_ = r.rc.SetWriteDeadline(time.Time{})
	}
	defer resp.Body.Close()
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch {
	case x.opaque, resp.Header.Get("Content-Encoding") != "": // nothing to see, or not asked for: it goes on unseen
	case media == "text/event-stream":
		r.events = &events{drop: dropUsage, tap: tap{usage: &x.usage}, meter: x.meter}
	case media == jsonMedia:
		r.tap = &tap{usage: &x.usage}
	}
	x.meter.answers(resp, r.events != nil)
	r.filters = x.answerFilters(media)
	defer x.acted(r.filters)
	if len(r.filters) > 0 && resp.Header.Get("Content-Encoding") != "" {
		return refuse(AnswerRefused, "it is compressed, and a filter must look at it")
	}
	x.answer.begin(x.gate.Audit)
	if resp.Length >= 0 && resp.Length <= wholeAnswer && r.events == nil {
		return r.whole()
	}
	r.flushes = media == "text/event-stream"
	return r.stream()
}

// watch has the backend end its answer within a while when the client goes away. The caller calls what it gives when the answer is passed on.
func (x *exchange) watch() (stop func() bool) { return context.AfterFunc(x.r.Context(), x.left) }

func (x *exchange) left() {
	t := time.AfterFunc(drainTime, func() { x.ctx.cancel(errAbandoned) })
	x.ctx.AfterFunc(func() { t.Stop() })
}

// head writes status and headers.
func (r *relay) head(length int64) {
	h := r.w.Header()
	own := cookies
	if r.route.Protocol == HTTP { // an application behind it speaks with its own clients
		own = nil
	}
	passOn(h, r.resp.Header, own)
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or the server would guess one
	}
	if r.idle > 0 { // a client that does not read holds a backend no longer than a backend that does not write
		_ = r.rc.SetWriteDeadline(time.Now().Add(r.idle))
	}
	if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	r.mark(r.outcome())
	r.begun, r.status = true, r.resp.Status
	r.w.WriteHeader(r.resp.Status)
}

// whole passes a short answer on at once. One that breaks off is a failure that can still be told.
func (r *relay) whole() *refusal {
	buf := r.lend(int(r.resp.Length))[:r.resp.Length]
	if _, err := io.ReadFull(r.resp.Body, buf); err != nil {
		return r.failure(err)
	}
	r.ended(8)
	r.meter.piece(len(buf))
	r.meter.end()
	if r.tap != nil {
		r.tap.feed(buf)
	}
	buf, bad := r.filters.piece(buf, true)
	if bad != nil {
		return bad
	}
	r.answer.feedAll(buf)
	r.head(int64(len(buf)))
	r.write(buf)
	r.ready = !r.gone
	return nil
}

// stream passes an answer on as it comes.
func (r *relay) stream() *refusal {
	length := r.resp.Length
	if r.events != nil || len(r.filters) > 0 {
		length = -1
	}
	r.head(length)
	r.server.metrics.streams.add(r.name, 1)
	defer r.server.metrics.streams.add(r.name, -1)
	if r.flushes && r.resp.Waiting() {
		_ = r.rc.Flush()
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for first := true; ; {
		n, err := r.resp.Body.Read(*buf)
		if n > 0 {
			if first {
				r.ended(8)
				first = false
			}
			if bad := r.pass(r.look((*buf)[:n]), false); bad != nil {
				return r.broken(bad)
			}
		}
		if err == io.EOF {
			r.meter.end()
			var rest []byte
			if r.events != nil {
				rest = r.events.rest()
			}
			if bad := r.pass(rest, true); bad != nil {
				return r.broken(bad)
			}
			return nil
		}
		if err == nil && r.gone && r.after > drainBytes {
			err = errAbandoned
			r.ctx.cancel(errAbandoned)
		}
		if err != nil {
			if bad := r.failure(err); bad.reason != BackendLeft {
				return r.broken(bad)
			}
			return r.leave()
		}
	}
}

// leave ends a stream whose instance is about to be stopped as if it had ended by itself, which its client answers by asking for another.
func (r *relay) leave() *refusal {
	r.reason = BackendLeft
	if bad := r.pass(nil, true); bad != nil {
		return r.broken(bad)
	}
	return nil
}

// look taps a piece of the answer.
func (r *relay) look(p []byte) []byte {
	r.meter.piece(len(p))
	switch {
	case r.events != nil:
		p = r.events.feed(p)
	case r.tap != nil:
		r.tap.feed(p)
	}
	return p
}

// pass has the filters look at a piece and writes what they let on. It flushes when the backend has no more to say yet.
func (r *relay) pass(p []byte, end bool) *refusal {
	p, bad := r.filters.piece(p, end)
	if bad == nil && len(p) > 0 {
		r.answer.feed(p)
		r.send(p)
	}
	return bad
}

func (r *relay) send(p []byte) {
	if r.gone {
		r.after += int64(len(p))
		return
	}
	if r.idle > 0 {
		_ = r.rc.SetWriteDeadline(time.Now().Add(r.idle))
	}
	r.write(p)
	if !r.gone && r.resp.Waiting() && r.rc.Flush() != nil {
		r.lost()
	}
}

func (r *relay) write(p []byte) {
	n, err := r.w.Write(p)
	if r.sent += int64(n); err != nil {
		r.lost()
	}
}

// lost notes that the client is gone.
func (r *relay) lost() {
	if !r.gone {
		r.gone = true
		r.reason, r.failed = ClientGone, true
		r.left()
	}
}

// broken ends an answer that began and cannot be ended well, so that the client can see it: in the stream's own way where there is one, and by
// ending the connection.
func (r *relay) broken(bad *refusal) *refusal {
	r.reason, r.failed = bad.reason, true
	if bad.reason == ClientGone || r.gone {
		r.reason = ClientGone
	} else if r.events != nil {
		_, body := r.dialect(reasons[bad.reason].status, bad.reason, "broken off by mirrorgate: "+bad.Error()+" (request "+r.id+")", r.id)
		r.send(append(append([]byte("event: error\ndata: "), body...), '\n'))
		_ = r.rc.Flush()
	}
	r.log.V(1).Info("Answer broken off", "request", r.id, "gate", r.name, "reason", r.reason, "error", bad.err)
	panic(http.ErrAbortHandler)
}
