package proxy

import (
	"fmt"
	"slices"
	"strings"

	"mirroros.dev/mirroros/specs/expr"
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
	// programs, rules and addresses are what the config needs of a cache.
	programs         map[string]*expr.Program
	rules, addresses map[string]bool
	routes           map[routeName]bool
}

// routeName is a route at its gate.
type routeName struct{ gate, route string }

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
	x := &compiled{config: c, gates: make(map[string]*gate, len(c.Gates)), rules: map[string]bool{}, addresses: map[string]bool{},
		routes: map[routeName]bool{}}
	texts := map[string]bool{}
	for i := range c.Gates {
		for j := range c.Gates[i].Rules {
			if r := &c.Gates[i].Rules[j]; r.When != "" {
				texts[r.When] = true
			}
		}
	}
	programs, errs := cache.compile(texts)
	x.programs = programs
	for i := range c.Gates {
		g, err := x.compileGate(&c.Gates[i], errs, cache)
		if err != nil {
			return nil, fmt.Errorf("cannot compile gate %q: %w", c.Gates[i].Name, err)
		}
		if x.gates[g.Name] != nil {
			return nil, fmt.Errorf("cannot compile gate %q: it is there twice", g.Name)
		}
		x.gates[g.Name] = g
	}
	return x, nil
}

func (x *compiled) compileGate(c *GateConfig, errs map[string]error, cache *Cache) (*gate, error) {
	g := &gate{GateConfig: c, number: x.config.Number, routes: make(map[string]*route, len(c.Routes)), models: map[string]*models{}}
	for i := range c.Routes {
		r, err := compileRoute(&c.Routes[i], cache)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", c.Routes[i].Name, err)
		}
		at := routeName{c.Name, r.Name}
		r.state, x.routes[at] = cache.stateOf(at), true
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
	if err := g.compileRules(x, errs, cache); err != nil {
		return nil, err
	}
	return g, nil
}

// compileRules sorts rules as they are tried, whatever order they come in.
func (g *gate) compileRules(x *compiled, errs map[string]error, cache *Cache) error {
	sorted := make([]*RuleConfig, len(g.GateConfig.Rules))
	for i := range g.GateConfig.Rules {
		sorted[i] = &g.GateConfig.Rules[i]
	}
	slices.SortStableFunc(sorted, byOrder)
	g.rules = make([]*rule, len(sorted))
	texts := map[string]bool{}
	for i, c := range sorted {
		r, err := x.compileRule(c, i, errs, cache)
		if err != nil {
			return err
		}
		g.rules[i], x.rules[c.Name] = r, true
		if c.When != "" {
			texts[c.When] = true
		}
	}
	cache.count(g.rules)
	for text := range texts {
		g.usesHeaders = g.usesHeaders || x.programs[text].Uses("request.headers")
		g.usesArguments = g.usesArguments || x.programs[text].Uses("mcp.arguments")
	}
	filters := func(r *rule) bool { return !r.decides() }
	g.deciding = indexOf(slices.DeleteFunc(slices.Clone(g.rules), filters))
	g.filtering = indexOf(slices.DeleteFunc(slices.Clone(g.rules), (*rule).decides))
	return nil
}
