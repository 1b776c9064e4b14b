package upstream

import (
	"io"
	"net/http"
	"net/url"
	"time"
)

// Target is one address that serves a backend.
type Target struct {
	// Scheme is http or https. Address is host:port; Host is what the Host header and, for https, the certificate must name.
	Scheme, Address, Host string
}

// TargetOf makes a target of a URL; the port follows from the scheme when it names none.
func TargetOf(u *url.URL) Target {
	address := u.Host
	if u.Port() == "" {
		port := "80"
		if u.Scheme == "https" {
			port = "443"
		}
		address = u.Hostname() + ":" + port
		if len(u.Hostname()) > 0 && u.Host[0] == '[' {
			address = "[" + u.Hostname() + "]:" + port
		}
	}
	return Target{Scheme: u.Scheme, Address: address, Host: u.Host}
}

// Request to a backend. Header holds end-to-end fields only: the caller has taken out hop-by-hop fields, credentials and Content-Length.
type Request struct {
	Method string
	// Path with query, as it goes on the wire.
	Path   string
	Header http.Header
	// Body is sent whole, with its length; nil is no body. For a body that is not known whole, Stream is sent chunked, or with Length when
	// that is not negative; then the answer may begin before it was read to its end. A Stream that is an io.Closer is closed when the
	// answer ended first, and must give back a Read that waits then; one that is none may be read until that Read returns.
	Body   []byte
	Stream io.Reader
	Length int64
	// Upgrade asks for another protocol, as in the client's Upgrade header; empty for none.
	Upgrade string
	// Connect bounds opening a connection. FirstByte bounds the wait for the whole of the answer's head, from when the request was sent;
	// sending a small Body counts with it. Idle bounds each wait for another piece of the answer, and for the backend to take another
	// piece of a Stream or large Body. Zero is no limit.
	Connect, FirstByte, Idle time.Duration
}

// Response of a backend. Body must be closed; closing it before its end closes the connection.
type Response struct {
	Status int
	// Header holds end-to-end fields; of a 101, Upgrade too. Content-Length is as the backend said it, also where there is no body.
	Header http.Header
	// Body is never nil. Its errors are *Error, of phase Answering. It is for one goroutine. See Waiting.
	Body io.ReadCloser
	// Length of the body, -1 when it is not known beforehand.
	Length int64
	// Trailer is complete after Body gave io.EOF; nil when there was none.
	Trailer http.Header
	// Switched is the connection after 101; then Body is empty, and the context and timeouts of the request are over. It must be closed.
	Switched *Switched
}

// Waiting says that nothing of the body is there yet, so that the next Read waits for the backend: the time to flush what was passed on.
func (r *Response) Waiting() bool {
	b, ok := r.Body.(*body)
	return ok && !b.over && len(b.x.conn.buffered()) == 0
}
