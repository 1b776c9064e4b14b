package proxy

import (
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// bodyPatience is how long a body may take at least, and bodyPace the bytes a second that buy it more time.
	bodyPatience = 30 * time.Second
	bodyPace     = 64 << 10
	// bodiesAtOnce bounds what all requests of a gate may hold in memory, in bodies of the largest size.
	bodiesAtOnce = 8
)

// readBody reads a body whole, within the bounds of the gate. held counts what all requests of the gate hold; the caller takes what was read
// out of it when it is done. room gives memory for it, of which it may need more.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, held *atomic.Int64, room func(int) []byte) ([]byte, *refusal) {
	if r.ContentLength > limit {
		return nil, refuse(BodyTooLarge, "%d bytes are the most", limit)
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	rc := http.NewResponseController(w)
	deadline := time.Now().Add(bodyPatience + time.Duration(max(0, r.ContentLength))*time.Second/bodyPace)
	if r.ContentLength < 0 {
		deadline = deadline.Add(time.Duration(limit) * time.Second / bodyPace)
	}
	_ = rc.SetReadDeadline(deadline) // what cannot have one is no network connection
	body, bad := readAll(r.Body, r.ContentLength, limit, held, room)
	_ = rc.SetReadDeadline(time.Time{})
	return body, bad
}

// readAll grows with what comes, never with what is announced.
func readAll(from io.Reader, announced, limit int64, held *atomic.Int64, room func(int) []byte) ([]byte, *refusal) {
	size := announced
	if size < 0 || size > 64<<10 {
		size = 64 << 10
	}
	buf := room(int(size) + 1) // one more, so that the end is seen without growing
	for {
		before := len(buf)
		n, err := from.Read(buf[before:cap(buf)])
		buf = buf[:before+n]
		if total := held.Add(int64(n)); total > bodiesAtOnce*limit {
			return buf, refuse(Busy, "too much is held in memory")
		}
		switch {
		case int64(len(buf)) > limit:
			return buf, refuse(BodyTooLarge, "%d bytes are the most", limit)
		case err == io.EOF:
			return buf, nil
		case err != nil:
			bad := refuse(BodyBroken, "")
			bad.err = err
			return buf, bad
		}
		if len(buf) == cap(buf) {
			bigger := make([]byte, len(buf), min(2*cap(buf), int(limit)+1))
			copy(bigger, buf)
			buf = bigger
		}
	}
}

// isJSON tells whether the media type is application/json. A web page cannot send that without being asked first.
func isJSON(h http.Header) bool {
	value := h.Get("Content-Type")
	if value == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(value)
	charset := params["charset"]
	return err == nil && media == "application/json" && (charset == "" || charset == "utf-8" || charset == "UTF-8")
}
