package forward

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// ErrClient wraps what broke the client's side of an answer.
var ErrClient = errors.New("the client is gone")

// Answer passes an answer on, each piece as it comes, and closes it. Idle, when not zero, bounds how long the client may take for a piece. The
// count is of the body. After an error the answer has begun and cannot be ended well: panic with http.ErrAbortHandler, so that the client
// sees it.
func Answer(w http.ResponseWriter, resp *upstream.Response, idle time.Duration) (n int64, err error) {
	defer resp.Body.Close()
	h := w.Header()
	for name, values := range resp.Header {
		h[name] = values
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or the server would guess one
	}
	w.WriteHeader(resp.Status)
	if n, err = pieces(w, resp, idle); err != nil {
		return n, err
	}
	if len(resp.Trailer) > 0 {
		_ = http.NewResponseController(w).Flush() // a short answer would get a length, and no trailer, otherwise
		for name, values := range resp.Trailer {
			h[http.TrailerPrefix+name] = values
		}
	}
	return n, nil
}

// pieces passes the body on. It flushes whenever the backend has no more to say yet; the end is left for the server to flush.
func pieces(w http.ResponseWriter, resp *upstream.Response, idle time.Duration) (n int64, err error) {
	rc := http.NewResponseController(w)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		if idle > 0 {
			_ = rc.SetWriteDeadline(time.Now().Add(idle))
		}
		if resp.Waiting() {
			if err := rc.Flush(); err != nil {
				return n, errors.Join(ErrClient, err)
			}
		}
		m, err := resp.Body.Read(*buf)
		wrote, werr := w.Write((*buf)[:m])
		if n += int64(wrote); werr != nil && m > 0 {
			return n, errors.Join(ErrClient, werr)
		}
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}
