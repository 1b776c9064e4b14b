package proxy

import (
	"fmt"
	"net/url"
	"sync/atomic"

	"mirroros.dev/mirroros/controllers/gate/proxy/upstream"
)

// endpoints are the addresses that may serve now, ready to be chosen from. They are never changed.
type endpoints struct {
	number int64
	ready  map[string][]*endpoint
}

// endpoint is one address of a backend.
type endpoint struct {
	target upstream.Target
	// path goes before that of a request, without a slash at its end.
	path string
	busy *atomic.Int64
}

func compileEndpoints(e *Endpoints, cache *Cache) *endpoints {
	x := &endpoints{number: e.Number, ready: make(map[string][]*endpoint, len(e.Ready))}
	for name, addresses := range e.Ready {
		for _, a := range addresses {
			x.ready[name] = append(x.ready[name], &endpoint{target: upstream.Target{Scheme: "http", Address: a, Host: a}, busy: cache.busyAt(a)})
		}
	}
	return x
}

// endpointOf makes the endpoint of a backend that is a URL.
func endpointOf(raw string, cache *Cache) (*endpoint, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL", raw)
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "tcp" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%q is no URL of scheme http, https or tcp with a host and perhaps a path, and nothing more", u.Redacted())
	}
	path := u.EscapedPath()
	for path != "" && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	t := upstream.TargetOf(u)
	return &endpoint{target: t, path: path, busy: cache.busyAt(t.Address)}, nil
}
