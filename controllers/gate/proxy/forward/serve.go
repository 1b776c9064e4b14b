package forward

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// Port forwards every request to one of the addresses that are ready.
type Port struct {
	// Client sends the requests.
	Client *upstream.Client
	// Ready gives the addresses to try, as host:port, the best first. It is asked for each request.
	Ready func() []string
	// Connect bounds opening a connection; zero is no limit. There is no other limit: the port is as patient as its clients.
	Connect time.Duration
	// Failed is told of each backend that did not do its part. Default: nobody is.
	Failed func(error)
}

// ServeHTTP forwards one request. Addresses that cannot be reached are passed over, and for a request that only looks also those that broke
// off before their answer began (RFC 9110, section 9.2.2). With none left the answer is 503, and 502 when a backend broke off.
func (p *Port) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := Request(w, r, EndToEnd(r.Header))
	if err != nil {
		http.Error(w, "the request's body broke off", http.StatusBadRequest)
		return
	}
	out.Connect = p.Connect
	resp, err := p.first(r, out)
	switch {
	case err != nil:
		p.fail(r.Context(), w, err)
	case resp.Switched != nil:
		_, _ = Switch(r.Context(), w, resp, 0)
	default:
		if _, err := Answer(w, resp, 0); err != nil {
			if !errors.Is(err, ErrClient) && r.Context().Err() == nil {
				p.failed(err)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

var errNobody = errors.New("no instance is ready")

// first gives the answer of the first address that can be reached.
func (p *Port) first(r *http.Request, out *upstream.Request) (*upstream.Response, error) {
	err := errNobody
	for _, address := range p.Ready() {
		host := r.Host
		if host == "" {
			host = address
		}
		var resp *upstream.Response
		if resp, err = p.Client.Do(r.Context(), upstream.Target{Scheme: "http", Address: address, Host: host}, out); err == nil {
			return resp, nil
		}
		var e *upstream.Error
		if !errors.As(err, &e) || e.Phase != upstream.Connecting && (e.Timeout || !looks(out)) || r.Context().Err() != nil {
			return nil, err
		}
		if b, ok := out.Stream.(*Body); ok && b.Touched() {
			return nil, err
		}
		p.failed(err)
	}
	return nil, err
}

// looks tells whether a request only looks, so that to send it twice does what to send it once does.
func looks(r *upstream.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions) &&
		len(r.Body) == 0 && r.Stream == nil && r.Upgrade == ""
}

func (p *Port) failed(err error) {
	if p.Failed != nil {
		p.Failed(err)
	}
}

// fail answers for a backend that did not.
func (p *Port) fail(ctx context.Context, w http.ResponseWriter, err error) {
	if ctx.Err() != nil {
		panic(http.ErrAbortHandler) // nobody is there to answer
	}
	var e *upstream.Error
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, errNobody), errors.As(err, &e) && e.Phase == upstream.Connecting:
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	case e != nil && e.Timeout:
		status = http.StatusGatewayTimeout
	}
	if !errors.Is(err, errNobody) {
		p.failed(err)
	}
	http.Error(w, http.StatusText(status)+": "+err.Error(), status)
}

// Turns begins lists of addresses at a different one each time. The zero value is ready, and good for many goroutines.
type Turns struct{ next atomic.Uint64 }

// Of rotates a copy of the list.
func (t *Turns) Of(addresses []string) []string {
	if len(addresses) < 2 {
		return addresses
	}
	i := int(t.next.Add(1) % uint64(len(addresses)))
	return slices.Concat(addresses[i:], addresses[:i])
}
