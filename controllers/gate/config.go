package gate

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/sockets"
	"mirroros.dev/mirroros/specs"
)

// config makes the configuration of the gates, but for its number. Objects that are going are not in it.
func (o *observed) config() proxy.Config {
	c := proxy.Config{Gates: make([]proxy.GateConfig, 0, len(o.Gates))}
	rules := o.ruleConfigs()
	for _, g := range o.Gates {
		gc := gateConfig(g)
		for _, r := range o.Routes {
			if r.Spec.Gate == g.Name {
				gc.Routes = append(gc.Routes, o.routeConfig(r))
			}
		}
		if asked := o.asked(); len(asked) > 0 {
			gc.Rules = append(gc.Rules, checkRule(asked))
		}
		for _, r := range rules {
			if len(r.gates) == 0 || slices.Contains(r.gates, g.Name) {
				gc.Rules = append(gc.Rules, r.RuleConfig)
			}
		}
		c.Gates = append(c.Gates, gc)
	}
	for _, s := range o.services() {
		c.Services = append(c.Services, proxy.ServiceConfig{Name: s.name(), Listener: serviceListener(s), Protocol: string(s.port.AppProtocol),
			Endpoints: s.name()})
	}
	return c
}

func gateConfig(g *specs.Gate) proxy.GateConfig {
	s := &g.Spec
	c := proxy.GateConfig{Name: g.Name, Listener: gateListener(g.Name), Exposed: s.ExposeBeyondHost, Tokens: true,
		Durable: s.Durability != specs.DurabilityProcess}
	if a := s.Authentication; a != nil {
		c.Tokens, c.PeerCredentials, c.Anonymous = value(a.Tokens), value(a.PeerCredentials), value(a.Anonymous)
	}
	if l := s.Limits; l != nil {
		c.MaxBodyBytes, c.MaxConcurrent = quantity(l.MaxBodyBytes), int(value(l.MaxConcurrentRequests))
	}
	if a := s.Audit; a != nil {
		c.Audit, c.MaxAuditBytes = string(a.Level), quantity(a.MaxBytes)
		c.Retain = a.RetainFor()
	}
	return c
}

func (o *observed) routeConfig(r *specs.Route) proxy.RouteConfig {
	s := &r.Spec
	c := proxy.RouteConfig{Name: r.Name, Protocol: string(s.Protocol), Locality: string(o.localityOf(r)),
		Models: s.Match.Models, Path: s.Match.Path, Hosts: s.Match.Hosts, Remote: s.Remote}
	for _, b := range s.Backends {
		c.Backends = append(c.Backends, o.backendConfig(r, b))
	}
	for _, b := range s.Fallbacks {
		c.Fallbacks = append(c.Fallbacks, o.backendConfig(r, b))
	}
	if former := o.former(r.Spec.Gate, &c); former != nil {
		c.Backends, c.Fallbacks = former, nil
	}
	for _, f := range s.FallbackOn {
		c.FallbackOn = append(c.FallbackOn, string(f))
	}
	if t := s.Timeouts; t != nil {
		c.Connect, c.FirstByte, c.Idle, c.Request = duration(t.Connect), duration(t.FirstByte), duration(t.Idle), duration(t.Request)
	}
	if l := s.Limits; l != nil {
		c.DefaultOutputTokens, c.MaxOutputTokens, c.ImageTokens = value(l.DefaultOutputTokens), value(l.MaxOutputTokens), value(l.ImageTokens)
		if t := l.InputTokens; t != nil && t.Bound == specs.InputBoundLearned {
			c.InputBound = proxy.BoundLearned
		}
	}
	return c
}

// former are the backends that a route had, while none of those that it has now can serve and those can: a route goes over to other processes when
// one of them is ready, as a RollingUpdate does. A URL is never kept: one that was taken out is not called again.
func (o *observed) former(gate string, c *proxy.RouteConfig) (out []proxy.BackendConfig) {
	serves := func(b proxy.BackendConfig) bool {
		process, port, _ := strings.Cut(b.Endpoints, ":")
		return o.Processes[process] != nil && len(o.ready(process, port)) > 0
	}
	if slices.ContainsFunc(slices.Concat(c.Backends, c.Fallbacks), func(b proxy.BackendConfig) bool { return b.URL != "" || serves(b) }) {
		return nil
	}
	for _, g := range o.Config.Gates {
		for _, r := range g.Routes {
			if g.Name != gate || r.Name != c.Name || r.Protocol != c.Protocol {
				continue
			}
			for _, b := range slices.Concat(r.Backends, r.Fallbacks) {
				if b.URL == "" && serves(b) {
					out = append(out, b)
				}
			}
		}
	}
	return out
}

// localityOf a route is that of its stack; a route of none is held to the default.
func (o *observed) localityOf(r *specs.Route) specs.Locality {
	return cmp.Or(o.Locality[r.Labels[specs.LabelStack]], specs.LocalityLocalFirst)
}

func (o *observed) backendConfig(r *specs.Route, b specs.RouteBackend) proxy.BackendConfig {
	c := proxy.BackendConfig{Remote: b.Remote, Path: b.Path, Model: b.Model, Weight: 1, Price: price(r.Spec.Effective(&b))}
	if b.Weight != nil {
		c.Weight = int(*b.Weight)
	}
	switch {
	case b.Process != "":
		c.Name, c.Endpoints = "process/"+b.Process, endpointsName(b.Process, o.portName(b))
	default:
		c.Name, c.URL = b.URL, b.URL
		if u, err := url.Parse(b.URL); err == nil {
			c.Name = u.Host
		}
	}
	if a := b.Auth; a != nil && a.ValueFrom.File != nil {
		c.AuthHeader = a.Header
		if strings.EqualFold(a.Header, "Authorization") || a.Header == "" {
			c.AuthHeader, c.AuthPrefix = "Authorization", "Bearer "
		}
		c.AuthFile = a.ValueFrom.File.Path
		if !filepath.IsAbs(c.AuthFile) {
			c.AuthFile = filepath.Join(o.Dirs[r.Name], c.AuthFile)
		}
	}
	return c
}

// portName is the port of a backend: the one that is named, or the first of its process.
func (o *observed) portName(b specs.RouteBackend) string {
	if b.Port != "" {
		return b.Port
	}
	if p := o.Processes[b.Process]; p != nil && len(p.Spec.Ports) > 0 {
		return p.Spec.Ports[0].Name
	}
	return ""
}

// rule is a rule and the gates that it is for.
type rule struct {
	proxy.RuleConfig
	gates []string
}

// ruleConfigs are all rules in the order in which they are tried: by priority, Deny before Allow, then by name.
func (o *observed) ruleConfigs() []rule {
	out := make([]rule, 0, len(o.Rules))
	for _, r := range o.Rules {
		out = append(out, rule{o.ruleConfig(r), r.Spec.Gates})
	}
	rank := func(r rule) int {
		if r.Action == string(specs.RuleDeny) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), rank(a)-rank(b), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (o *observed) ruleConfig(r *specs.GateRule) proxy.RuleConfig {
	s := &r.Spec
	c := proxy.RuleConfig{Name: r.Name, Priority: value(s.Priority), Routes: s.Routes, When: s.When,
		AllowRemote: s.AllowRemote, Action: string(s.Action), Shadow: s.Mode == specs.RuleShadow, Reason: s.Reason, Expires: s.Expires.Time}
	if p := s.Principals; p != nil {
		c.All, c.Names, c.Labels = p.All, p.Names, p.MatchLabels
		for _, t := range p.Types {
			c.Types = append(c.Types, string(t))
		}
	} else {
		c.All = true // a Deny or a filter is for everybody when it names nobody
	}
	if m := s.MCP; m != nil {
		c.MCP, c.Tools, c.Resources, c.Prompts = true, m.Tools, m.Resources, m.Prompts
	}
	for _, f := range s.Filters {
		c.Filters = append(c.Filters, proxy.FilterConfig{Type: string(f.Type), On: string(f.On), Patterns: f.Patterns, Schema: f.Schema})
	}
	return c
}

// endpoints are the addresses that may serve now, for all that a route or a service port asks for, but for their number.
func (o *observed) endpoints() proxy.Endpoints {
	e := proxy.Endpoints{Ready: map[string][]string{}}
	add := func(process, port string) {
		if name := endpointsName(process, port); e.Ready[name] == nil {
			e.Ready[name] = o.ready(process, port)
		}
	}
	for _, s := range o.services() {
		add(s.process, s.port.Name)
	}
	for _, r := range o.Routes {
		for _, b := range slices.Concat(r.Spec.Backends, r.Spec.Fallbacks) {
			if b.Process != "" {
				add(b.Process, o.portName(b))
			}
		}
		for _, b := range o.routeConfig(r).Backends { // also those that it had
			if process, port, ok := strings.Cut(b.Endpoints, ":"); ok {
				add(process, port)
			}
		}
	}
	return e
}

// ready are the addresses of a port of the instances that serve.
func (o *observed) ready(process, port string) []string {
	out := []string{}
	for _, in := range o.Instances[process] {
		if !in.Status.Ready || in.Status.State.Running == nil {
			continue
		}
		for _, p := range in.Status.Ports {
			if p.Name == port {
				out = append(out, net.JoinHostPort(specs.DefaultHost, strconv.Itoa(int(p.Port))))
			}
		}
	}
	for _, a := range o.Inherited[endpointsName(process, port)] {
		if !slices.Contains(out, a) && o.maySurvive(process, port, a) {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

// maySurvive tells whether an address that served under an operator before this one may serve still: the process runs, and of the instance that
// has the address nothing else is known. Whether it is ready comes to be known within moments.
func (o *observed) maySurvive(process, port, address string) bool {
	runs := slices.ContainsFunc(o.Runs, func(w Workload) bool { return w.Process == process })
	for _, in := range o.Instances[process] {
		for _, p := range in.Status.Ports {
			if p.Name == port && net.JoinHostPort(specs.DefaultHost, strconv.Itoa(int(p.Port))) == address {
				return runs && o.Live[in.Name] && in.Status.State.Stopping == nil
			}
		}
	}
	return runs
}

// wanted are the listening sockets, as an address or unix:path, by name.
func (o *observed) wanted() map[string]string {
	out := map[string]string{}
	for _, g := range o.Gates {
		address := g.Spec.Listen.Address
		if u := g.Spec.Listen.Unix; u != "" {
			address = "unix:" + filepath.Join(o.RunDir, u)
		}
		out[gateListener(g.Name)] = address
	}
	for _, d := range o.doors() {
		out[d.Listener] = sockets.Door
	}
	for _, s := range o.services() {
		out[serviceListener(s)] = net.JoinHostPort(specs.DefaultHost, strconv.Itoa(int(s.port.ServicePort)))
	}
	return out
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func quantity(q *resource.Quantity) int64 {
	if q == nil {
		return 0
	}
	return q.Value()
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
