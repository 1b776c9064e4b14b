package forward

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// small bodies are read whole before they go on, if their length is known: they need no goroutine, and can be sent again.
const small = 32 << 10

// Request makes a backend's request of a client's, with this header, which EndToEnd gives. A small body is read here; anything else becomes
// the Stream. The error is the client's.
func Request(w http.ResponseWriter, r *http.Request, header http.Header) (*upstream.Request, error) {
	out := &upstream.Request{Method: r.Method, Path: r.URL.RequestURI(), Header: header}
	if up := r.Header["Upgrade"]; len(up) > 0 && hasToken(r.Header["Connection"], "upgrade") && r.ProtoMajor == 1 && r.ContentLength == 0 {
		out.Upgrade = strings.Join(up, ", ")
		return out, nil
	}
	switch n := r.ContentLength; {
	case n == 0 || r.Body == nil || r.Body == http.NoBody:
		if n == 0 && r.Header["Content-Length"] != nil || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
			out.Body = []byte{}
		}
	case n > 0 && n <= small:
		out.Body = make([]byte, n)
		if _, err := io.ReadFull(r.Body, out.Body); err != nil {
			return nil, err
		}
	default:
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil && r.ProtoMajor == 1 && !errors.Is(err, http.ErrNotSupported) {
			return nil, err
		}
		out.Stream, out.Length = &Body{from: r.Body, rc: rc}, n
	}
	return out, nil
}

// Body is the client's, as it comes.
type Body struct {
	from io.Reader
	rc   *http.ResponseController
	read atomic.Bool
}

// Touched says that some of it was asked for, so that it cannot be sent to another backend.
func (b *Body) Touched() bool { return b.read.Load() }

// Read gives what comes next.
func (b *Body) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.from.Read(p)
}

// Close has a Read that waits for the client give up. The client's connection is not for another request then.
func (b *Body) Close() error { return b.rc.SetReadDeadline(time.Unix(1, 0)) }

// hop are the headers of one connection alone, and what the client of a connection answers by itself.
var hop = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Http2-Settings": true, "Content-Length": true, "Expect": true, "Host": true,
}

// EndToEnd gives the headers that go on, sharing their values.
func EndToEnd(from http.Header) http.Header {
	to := make(http.Header, len(from))
	named := from["Connection"]
	for name, values := range from {
		if !hop[name] && (len(named) == 0 || !hasToken(named, name)) {
			to[name] = values
		}
	}
	return to
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}
