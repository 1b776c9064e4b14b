package upstream

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxInterim bounds the interim answers (1xx) before the answer.
const maxInterim = 16

// exchange is one request and its answer on a connection.
type exchange struct {
	resp   Response
	body   body
	guard  guard
	client *Client
	target Target
	conn   *conn
	idle   time.Duration
	upload *upload // nil when the request went out in one piece
}

var requests = sync.Pool{New: func() any { b := make([]byte, 0, bufSize); return &b }}

// sendSmall writes head and body in one piece.
func (x *exchange) sendSmall(r *Request, t Target) error {
	x.guard.both(r.FirstByte)
	b := requests.Get().(*[]byte)
	*b = append(r.appendHead((*b)[:0], t), r.Body...)
	_, err := x.conn.Write(*b)
	if cap(*b) <= 4*bufSize {
		requests.Put(b)
	}
	if err != nil {
		return err
	}
	x.guard.sent = true // no other goroutine looks
	return nil
}

// readHead reads the answer's head, interim ones skipped. any says whether something came.
func (x *exchange) readHead(r *Request) (h head, any bool, err error) {
	for range maxInterim {
		s, some, err := x.conn.readHead()
		any = any || some
		if err != nil {
			if any {
				err = x.guard.why(err, errFirstByte)
			}
			return h, any, err
		}
		if h, err = parseHead(s); err != nil {
			return h, true, err
		}
		if h.status >= 200 {
			return h, true, nil
		}
		if h.status == http.StatusSwitchingProtocols {
			return h, true, switching(r.Upgrade, h.upgrade)
		}
	}
	return h, true, malformed("more than 16 interim answers")
}

// switching refuses a change of protocol that was not asked for.
func switching(asked string, got []string) error {
	for token := range strings.SplitSeq(asked, ",") {
		if token = trimBlanks(token); token != "" && len(got) == 1 && strings.EqualFold(token, got[0]) {
			return nil
		}
	}
	return malformed(fmt.Sprintf("the backend switched to protocol %q, asked was for %q", got, asked))
}

// answer makes the response of a head.
func (x *exchange) answer(h head, r *Request) (*Response, error) {
	x.guard.headCame()
	x.body.x, x.body.close = x, h.close
	x.resp = Response{Status: h.status, Header: h.header, Length: h.length, Body: &x.body}
	switch {
	case h.status == http.StatusSwitchingProtocols:
		return x.switchOver(h)
	case h.bodyless(r.Method):
		x.resp.Length = 0
		x.body.finish()
	case h.chunked:
		x.body.chunks = &chunks{}
	case h.length == 0:
		x.body.finish()
	case h.length > 0:
		x.body.left = h.length
	default: // to the end of the connection
		x.body.close, x.body.left = true, untilEnd
	}
	if !x.body.over && x.idle <= 0 {
		x.guard.read(0) // the wait for the head is over, and there is no other limit
	}
	return &x.resp, nil
}

func (x *exchange) switchOver(h head) (*Response, error) {
	x.resp.Header.Set("Upgrade", h.upgrade[0])
	x.resp.Length, x.body.over = 0, true
	if !x.guard.unwatch() {
		err := x.guard.why(io.ErrClosedPipe, nil)
		x.conn.end()
		return nil, newError(Answering, x.target, err)
	}
	x.conn.SetDeadline(time.Time{})
	early := slices.Clone(x.conn.buffered())
	x.conn.giveBack()
	x.resp.Switched = &Switched{conn: x.conn.Conn, early: early}
	return &x.resp, nil
}

// release ends the exchange. The connection rests when it is fit for another request.
func (x *exchange) release(fit bool) {
	if x.upload != nil {
		fit = x.upload.settle(x) && fit
	}
	if !x.guard.unwatch() || !fit || len(x.conn.buffered()) > 0 {
		x.conn.end()
		return
	}
	most, timeout := x.client.MaxIdle, x.client.IdleTimeout
	if most <= 0 {
		most = defaultMaxIdle
	}
	if timeout <= 0 {
		timeout = defaultIdleTimeout
	}
	x.client.pool.put(x.target.place(), x.conn, most, timeout)
}

// abort ends the exchange and its connection.
func (x *exchange) abort() { x.release(false) }
