package upstream

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"time"
)

// H2C forwards to backends that speak HTTP/2 without TLS, gRPC among them. It is a handler of requests of HTTP/2 and HTTP/1 alike; the
// server needs Protocols. Streams go both ways at once, and trailers are kept.
//
// The standard reverse proxy does it, with FlushInterval 0: flushed at once, an answer that is nothing but trailers, as gRPC's errors are,
// would come as something else. An answer of unknown length, as gRPC's others are, is flushed at once anyway.
type H2C struct {
	// Pick gives the backend of a request, as host:port. Without one the answer is 503.
	Pick func() (address string, ok bool)

	proxy     httputil.ReverseProxy
	transport http.Transport
}

// Protocols of a server whose handler is an H2C.
func Protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// pickedKey is where a request's context has its backend.
type pickedKey struct{}

// NewH2C makes one; connect bounds opening a connection, zero is no limit. Faults of backends are told to errors. Close it when it is done.
func NewH2C(pick func() (address string, ok bool), connect time.Duration, errors *log.Logger) *H2C {
	h := &H2C{Pick: pick}
	h.transport.Protocols = new(http.Protocols)
	h.transport.Protocols.SetUnencryptedHTTP2(true)
	h.transport.DialContext = (&net.Dialer{Timeout: connect}).DialContext
	h.transport.DisableCompression = true
	h.transport.IdleConnTimeout = defaultIdleTimeout
	h.proxy = httputil.ReverseProxy{Transport: &h.transport, ErrorLog: errors, ErrorHandler: h2cError(errors), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", r.In.Context().Value(pickedKey{}).(string)
	}}
	return h
}

// ServeHTTP forwards one request.
func (h *H2C) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address, ok := h.Pick()
	if !ok {
		http.Error(w, "no instance is ready", http.StatusServiceUnavailable)
		return
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), pickedKey{}, address)))
}

// Close ends the idle connections.
func (h *H2C) Close() { h.transport.CloseIdleConnections() }

// h2cError answers for a backend that did not. gRPC's clients take 503 for Unavailable and 504 for a deadline of the way.
func h2cError(l *log.Logger) func(http.ResponseWriter, *http.Request, error) {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		status := http.StatusServiceUnavailable
		if errors.Is(err, os.ErrDeadlineExceeded) {
			status = http.StatusGatewayTimeout
		}
		if r.Context().Err() == nil && l != nil {
			l.Printf("cannot forward to backend %v: %v", r.Context().Value(pickedKey{}), err)
		}
		http.Error(w, http.StatusText(status), status)
	}
}
