package proxy

import (
	"fmt"
	"slices"
	"strings"
)

// View is all that requests are decided under: a config, the addresses that may serve and who may call. It is never changed; a request
// finishes under the view that it began with.
type View struct {
	*compiled
	endpoints  *endpoints
	identities *identities
}

// compiled is a config that is ready to decide.
type compiled struct {
	config *Config
	gates  map[string]*gate
	// turn and addresses are what a cache keeps for the config.
	turn      int64
	addresses map[string]bool
}

// gate is a compiled gate.
type gate struct {
	*GateConfig
	number int64 // of the config
	routes map[string]*route
	// models by protocol: by exact name, and those that end in *, the longest first.
	models map[string]*models
	// paths of routes that have one, the longest first; tunnels are the routes of CONNECT, raw that of TCP, which is alone.
	paths               []*route
	tunnels             []*route
	raw                 *route
	rules               []*rule
	deciding, filtering index
	// usesHeaders, usesArguments: a condition looks at them.
	usesHeaders, usesArguments bool
	series                     *series // of requests that no route is found for
}

type models struct {
	exact  map[string]*route
	prefix []modelPrefix
}

type modelPrefix struct {
	prefix string
	route  *route
}

// find gives the route of a model: an exact name before the longest prefix.
func (m *models) find(model string) *route {
	if m == nil {
		return nil
	}
	if r := m.exact[model]; r != nil {
		return r
	}
	for _, p := range m.prefix {
		if strings.HasPrefix(model, p.prefix) {
			return p.route
		}
	}
	return nil
}

// Compile makes a view. What the cache knows is not compiled again. An error names what does not compile and where it is declared; then
// nothing has changed.
func Compile(c *Config, e *Endpoints, ids *Identities, cache *Cache) (*View, error) {
	x, err := compileConfig(c, cache)
	if err != nil {
		return nil, err
	}
	who, err := compileIdentities(ids)
	if err != nil {
		return nil, err
	}
	return &View{compiled: x, endpoints: compileEndpoints(e, cache), identities: who}, nil
}

func compileConfig(c *Config, cache *Cache) (*compiled, error) {
	x := &compiled{config: c, gates: make(map[string]*gate, len(c.Gates)), addresses: map[string]bool{}}
	gates := make([]*gate, len(c.Gates))
	for i := range c.Gates {
		g, err := x.compileGate(&c.Gates[i], cache)
		if err != nil {
			return nil, fmt.Errorf("cannot compile gate %q: %w", c.Gates[i].Name, err)
		}
		if x.gates[g.Name] != nil {
			return nil, fmt.Errorf("cannot compile gate %q: it is there twice", g.Name)
		}
		x.gates[g.Name], gates[i] = g, g
	}
	var fresh []*condition
	x.turn, fresh = cache.of(gates)
	if !c.Proven {
		compileAll(fresh)
	}
	for _, g := range gates {
		if err := g.conditions(c.Proven); err != nil {
			return nil, fmt.Errorf("cannot compile gate %q: %w", g.Name, err)
		}
	}
	return x, nil
}

// conditions notes what the conditions look at. The error is that of one that does not compile, unless that is proven.
func (g *gate) conditions(proven bool) error {
	for _, r := range g.rules {
		if r.when == nil {
			continue
		}
		g.usesHeaders, g.usesArguments = g.usesHeaders || r.when.headers, g.usesArguments || r.when.arguments
		if proven {
			continue
		}
		if err := r.when.compile(); err != nil {
			return fmt.Errorf("the condition of %s does not compile: %w", r.title(), err)
		}
	}
	return nil
}

func (x *compiled) compileGate(c *GateConfig, cache *Cache) (*gate, error) {
	g := &gate{GateConfig: c, number: x.config.Number, routes: make(map[string]*route, len(c.Routes)), models: map[string]*models{}}
	for i := range c.Routes {
		r, err := compileRoute(&c.Routes[i], cache)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", c.Routes[i].Name, err)
		}
		if err := g.add(r); err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Name, err)
		}
		for _, b := range slices.Concat(r.backends, r.fallbacks) {
			if b.fixed != nil {
				x.addresses[b.fixed[0].target.Address] = true
			}
		}
	}
	g.sort()
	if err := g.compileRules(cache); err != nil {
		return nil, err
	}
	return g, nil
}

// compileRules sorts rules as they are tried, whatever order they come in.
func (g *gate) compileRules(cache *Cache) error {
	sorted := make([]*RuleConfig, len(g.GateConfig.Rules))
	for i := range g.GateConfig.Rules {
		sorted[i] = &g.GateConfig.Rules[i]
	}
	if !slices.IsSortedFunc(sorted, byOrder) {
		slices.SortStableFunc(sorted, byOrder)
	}
	rules := make([]rule, len(sorted))
	g.rules = make([]*rule, len(sorted))
	var deciding, filtering []*rule
	for i, c := range sorted {
		r := &rules[i]
		if err := r.compile(c, i, cache); err != nil {
			return err
		}
		if g.rules[i] = r; r.decides() {
			deciding = append(deciding, r)
		} else {
			filtering = append(filtering, r)
		}
	}
	g.deciding, g.filtering = indexOf(deciding), indexOf(filtering)
	return nil
}
