package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// route is a compiled route.
type route struct {
	*RouteConfig
	backends, fallbacks                             []*backend
	onNotReady, onConnect, on5xx, onFirstByteExpiry bool
	// remote: one of the backends that may be chosen is remote.
	remote bool
	state  *routeState
	series *series
}

// backend is a compiled backend.
type backend struct {
	*BackendConfig
	fixed []*endpoint // of a URL
}

// ready gives the addresses that may serve a backend now.
func (b *backend) ready(e *endpoints) []*endpoint {
	if b.fixed != nil {
		return b.fixed
	}
	return e.ready[b.Endpoints]
}

func compileRoute(c *RouteConfig, cache *Cache) (*route, error) {
	if !slices.Contains([]string{Sealed, LocalFirst, Open}, c.Locality) {
		return nil, fmt.Errorf("there is no locality %q", c.Locality)
	}
	if _, ok := protocols[c.Protocol]; !ok {
		return nil, fmt.Errorf("this gate does not speak protocol %q", c.Protocol)
	}
	if c.InputBound != "" && c.InputBound != BoundBytes && c.InputBound != BoundLearned {
		return nil, fmt.Errorf("there is no bound %q of the input", c.InputBound)
	}
	r := &route{RouteConfig: c, remote: c.Remote}
	for _, on := range c.FallbackOn {
		switch on {
		case "NotReady":
			r.onNotReady = true
		case "ConnectError":
			r.onConnect = true
		case "Status5xx":
			r.on5xx = true
		case "FirstByteTimeout":
			r.onFirstByteExpiry = true
		default:
			return nil, fmt.Errorf("there is no reason %q to fall back on", on)
		}
	}
	for _, list := range []struct {
		from []BackendConfig
		to   *[]*backend
	}{{c.Backends, &r.backends}, {c.Fallbacks, &r.fallbacks}} {
		for i := range list.from {
			b, err := compileBackend(&list.from[i], cache)
			if err != nil {
				return nil, fmt.Errorf("backend %q: %w", list.from[i].Name, err)
			}
			*list.to = append(*list.to, b)
		}
	}
	for _, b := range r.backends {
		r.remote = r.remote || b.Remote && b.Weight > 0 && c.Locality != Sealed
	}
	return r, nil
}

func compileBackend(c *BackendConfig, cache *Cache) (*backend, error) {
	b := &backend{BackendConfig: c}
	switch {
	case (c.URL == "") == (c.Endpoints == ""):
		return nil, errors.New("must be a process or a URL")
	case c.Weight < 0:
		return nil, errors.New("its weight is below 0")
	case c.Price != nil && min(c.Price.InputPerMillion, c.Price.CachedPerMillion, c.Price.OutputPerMillion, c.Price.PerCall) < 0:
		return nil, errors.New("a price is below 0")
	case c.URL != "":
		e, err := endpointOf(c.URL, cache)
		if err != nil {
			return nil, err
		}
		b.fixed = []*endpoint{e}
	}
	return b, nil
}

// add puts a route where requests find it. What two routes claim is refused.
func (g *gate) add(r *route) error {
	if g.routes[r.Name] != nil {
		return errors.New("it is there twice")
	}
	g.routes[r.Name] = r
	if r.Path != "" {
		if i := slices.IndexFunc(g.paths, func(o *route) bool { return o.Path == r.Path }); i >= 0 {
			return fmt.Errorf("path %q is that of route %q", r.Path, g.paths[i].Name)
		}
		g.paths = append(g.paths, r)
	}
	switch r.Protocol {
	case CONNECT:
		g.tunnels = append(g.tunnels, r)
		return nil
	case TCP:
		if len(g.GateConfig.Routes) > 1 {
			return errors.New("a route of TCP takes all of its gate, and there are others")
		}
		g.raw = r
		return nil
	case MCP, HTTP:
		return nil
	}
	m := g.models[r.Protocol]
	if m == nil {
		m = &models{exact: map[string]*route{}}
		g.models[r.Protocol] = m
	}
	for _, name := range r.Models {
		prefix, wild := strings.CutSuffix(name, "*")
		other := m.exact[name]
		if i := slices.IndexFunc(m.prefix, func(p modelPrefix) bool { return p.prefix == prefix }); wild && i >= 0 {
			other = m.prefix[i].route
		}
		if other != nil {
			return fmt.Errorf("model %q is that of route %q", name, other.Name)
		}
		if wild {
			m.prefix = append(m.prefix, modelPrefix{prefix, r})
		} else {
			m.exact[name] = r
		}
	}
	return nil
}

func (g *gate) sort() {
	slices.SortFunc(g.paths, func(a, b *route) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	for _, m := range g.models {
		slices.SortFunc(m.prefix, func(a, b modelPrefix) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	}
}

// atPath finds the route of a path: the longest that it is at or below.
func (g *gate) atPath(path string) *route {
	for _, r := range g.paths {
		base := strings.TrimSuffix(r.Path, "/")
		if rest, ok := strings.CutPrefix(path, base); ok && (rest == "" || rest[0] == '/') {
			return r
		}
	}
	return nil
}
