package admit

import (
	"fmt"
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// misfit is what does not fit between one object and another, at a field of the first.
type misfit struct{ field, text string }

// finder looks up what a reference leads to; nil when there is nothing, which is told elsewhere.
type finder func(kind, name string) specs.Object

// find looks an object up as its type.
func find[T specs.Object](get finder, kind, name string) (t T, ok bool) {
	t, ok = get(kind, name).(T)
	return t, ok
}

// fits tells what of an object does not fit to the objects that it refers to.
func fits(o specs.Object, get finder) []misfit {
	switch o := o.(type) {
	case *specs.Route:
		return append(backendsFit("spec.backends", o.Spec.Backends, get), backendsFit("spec.fallbacks", o.Spec.Fallbacks, get)...)
	case *specs.GateRule:
		return ruleFits(o, get)
	case *specs.Process:
		return tokensFit(o, get)
	case *specs.Check:
		return checkFits(o, get)
	}
	return nil
}

// backendsFit looks for the ports of processes.
func backendsFit(field string, backends []specs.RouteBackend, get finder) []misfit {
	var out []misfit
	for i, b := range backends {
		p, ok := find[*specs.Process](get, "Process", b.Process)
		if !ok || b.Process == "" {
			continue
		}
		names := portNames(p)
		switch {
		case len(names) == 0:
			out = append(out, misfit{fmt.Sprintf("%s[%d].process", field, i), "process/" + b.Process + " has no ports, so nothing can be sent to it"})
		case b.Port != "" && !slices.Contains(names, b.Port):
			out = append(out, misfit{fmt.Sprintf("%s[%d].port", field, i),
				fmt.Sprintf("process/%s has no port %q%s", b.Process, b.Port, specs.DidYouMean(b.Port, names))})
		}
	}
	return out
}

// checkFits looks for the port of its target that a check names, and whether a prompt can be asked there.
func checkFits(c *specs.Check, get finder) []misfit {
	if c.Spec.Prompt != nil {
		return promptFits(c, get)
	}
	p, ok := find[*specs.Process](get, "Process", c.Spec.Target.Process)
	if !ok || c.Spec.Target.Process == "" {
		return nil
	}
	port, at := "", ""
	switch s := &c.Spec; {
	case s.HTTPGet != nil:
		port, at = s.HTTPGet.Port.StrVal, "spec.httpGet.port"
	case s.TCPSocket != nil:
		port, at = s.TCPSocket.Port.StrVal, "spec.tcpSocket.port"
	}
	names := portNames(p)
	if port == "" || slices.Contains(names, port) {
		return nil
	}
	return []misfit{{at, fmt.Sprintf("process/%s has no port %q%s", p.Name, port, specs.DidYouMean(port, names))}}
}

// promptFits looks whether a route takes prompts, for which model, and whether its gate takes the operator's token.
func promptFits(c *specs.Check, get finder) []misfit {
	r, ok := find[*specs.Route](get, "Route", c.Spec.Target.Route)
	if !ok || c.Spec.Target.Route == "" {
		return nil
	}
	if r.Spec.Protocol != specs.ProtocolOpenAI && r.Spec.Protocol != specs.ProtocolAnthropic {
		return []misfit{{"spec.target.route", fmt.Sprintf("route/%s is of protocol %s, which takes no prompts: OpenAI and Anthropic do", r.Name, r.Spec.Protocol)}}
	}
	var out []misfit
	model, models := c.Spec.Prompt.Model, r.Spec.Match.Models
	switch serves := func(pattern string) bool { return covers(pattern, model) }; {
	case model == "" && len(models) > 0 && strings.HasSuffix(models[0], "*"):
		out = append(out, misfit{"spec.prompt", fmt.Sprintf("write model: NAME, for route/%s serves all that are like %s", r.Name, models[0])})
	case model != "" && !slices.ContainsFunc(models, serves):
		out = append(out, misfit{"spec.prompt.model", fmt.Sprintf("route/%s does not serve the model %q%s", r.Name, model, specs.DidYouMean(model, models))})
	}
	if g, ok := find[*specs.Gate](get, "Gate", r.Spec.Gate); ok && g.Spec.Authentication != nil && g.Spec.Authentication.Tokens != nil && !*g.Spec.Authentication.Tokens {
		out = append(out, misfit{"spec.target.route", fmt.Sprintf("route/%s is of gate/%s, which takes no tokens, and %s has nothing else", r.Name, g.Name, specs.PrincipalCheck)})
	}
	return out
}

// covers tells whether a name is one of those that a pattern, which may end in *, means.
func covers(pattern, name string) bool {
	before, open := strings.CutSuffix(pattern, "*")
	return name == pattern || open && strings.HasPrefix(name, before)
}

func portNames(p *specs.Process) []string {
	var names []string
	for _, port := range p.Spec.Ports {
		names = append(names, port.Name)
	}
	return names
}

// ruleFits looks for routes that a rule names and can never be for.
func ruleFits(r *specs.GateRule, get finder) []misfit {
	var out []misfit
	tools := r.Spec.MCP == nil || len(r.Spec.Routes) == 0
	for i, name := range r.Spec.Routes {
		route, ok := find[*specs.Route](get, "Route", name)
		if !ok {
			return out // nothing can be told of all of them
		}
		tools = tools || route.Spec.Protocol == specs.ProtocolMCP
		if gates := r.Spec.Gates; len(gates) > 0 && !slices.Contains(gates, route.Spec.Gate) {
			out = append(out, misfit{fmt.Sprintf("spec.routes[%d]", i), fmt.Sprintf("route/%s is of gate/%s, which spec.gates does not name", name, route.Spec.Gate)})
		}
	}
	if !tools {
		out = append(out, misfit{"spec.mcp", "none of the routes is of protocol MCP, so the rule would match nothing"})
	}
	return out
}

// tokensFit looks for tokens that would be valid for longer than their principal lets them.
func tokensFit(p *specs.Process, get finder) []misfit {
	principal, ok := find[*specs.Principal](get, "Principal", p.Spec.Principal)
	if !ok || p.Spec.Principal == "" || principal.Spec.Tokens == nil || principal.Spec.Tokens.MaxTTL == nil {
		return nil
	}
	var out []misfit
	for i, e := range p.Spec.Env {
		if e.ValueFrom == nil || e.ValueFrom.Token == nil {
			continue
		}
		ttl, at, word := specs.DefaultTokenTTL, fmt.Sprintf("spec.env[%d].valueFrom.token", i), ", the default,"
		if d := e.ValueFrom.Token.TTL; d != nil {
			ttl, at, word = d.Duration, at+".ttl", ""
		}
		if most := principal.Spec.Tokens.MaxTTL.Duration; ttl > most {
			out = append(out, misfit{at, fmt.Sprintf("%s%s is more than the maxTTL of principal/%s, which is %s", specs.ShortDuration(ttl), word, p.Spec.Principal, specs.ShortDuration(most))})
		}
	}
	return out
}

// rivals tells what two routes of one gate both claim; empty when each has its own.
func rivals(a, b *specs.Route) (field, text string) {
	x, y := &a.Spec, &b.Spec
	if x.Gate != y.Gate {
		return "", ""
	}
	whole := func(p specs.RouteProtocol) bool { return p == specs.ProtocolTCP }
	paths := func(p specs.RouteProtocol) bool { return p == specs.ProtocolMCP || p == specs.ProtocolHTTP }
	switch {
	case whole(x.Protocol):
		return "spec.gate", "a TCP route takes all of its gate, and gate/" + x.Gate + " has %s"
	case whole(y.Protocol):
		return "spec.gate", "gate/" + x.Gate + " is taken whole by a TCP route, %s"
	case paths(x.Protocol) && paths(y.Protocol) && x.Match.Path == y.Match.Path:
		return "spec.match.path", "the path " + x.Match.Path + " is that of %s"
	case x.Protocol != y.Protocol:
		return "", ""
	}
	for i, m := range x.Match.Models {
		if slices.Contains(y.Match.Models, m) {
			return fmt.Sprintf("spec.match.models[%d]", i), fmt.Sprintf("the model %q is that of %%s", m)
		}
	}
	for i, h := range x.Match.Hosts {
		if slices.Contains(y.Match.Hosts, h) {
			return fmt.Sprintf("spec.match.hosts[%d]", i), fmt.Sprintf("the host %q is that of %%s", h)
		}
	}
	return "", ""
}

// remoteField is the first field of a route that lets requests leave the host; empty when none does.
func remoteField(o specs.Object) string {
	r, ok := o.(*specs.Route)
	if !ok {
		return ""
	}
	if r.Spec.Remote {
		return "spec.remote"
	}
	for _, l := range []struct {
		field    string
		backends []specs.RouteBackend
	}{{"spec.backends", r.Spec.Backends}, {"spec.fallbacks", r.Spec.Fallbacks}} {
		for i, b := range l.backends {
			if b.Remote {
				return fmt.Sprintf("%s[%d].remote", l.field, i)
			}
		}
	}
	return ""
}

// object is what a key stands for under the set, in another stack's set, or in force; nil when there is none.
func (c *check) object(kind, name string) specs.Object {
	k := store.Key{Kind: kind, Name: name}
	e := c.set.Get(k)
	for _, s := range c.w.Others {
		if e == nil {
			e = s.Get(k)
		}
	}
	if e != nil {
		if d := e.Document(); d != nil && d.Object != nil {
			return d.Object
		}
	}
	if o, ok := c.w.Get(k); ok && e == nil {
		return o
	}
	return nil
}

// fit checks a document against what it refers to.
func (c *check) fit(e *Entry) {
	d := e.Document()
	if d == nil || d.Object == nil {
		return
	}
	for _, m := range fits(d.Object, c.object) {
		c.add(e.fault(m.field, "%s", m.text))
	}
}

// route checks a route against every other one.
func (c *check) route(e *Entry) {
	d := e.Document()
	if d == nil {
		return
	}
	r, ok := d.Object.(*specs.Route)
	if !ok {
		return
	}
	claims := func(other specs.Object, holder string) bool {
		o, ok := other.(*specs.Route)
		if !ok {
			return false
		}
		field, text := rivals(r, o)
		if field != "" {
			c.add(e.fault(field, text, holder))
		}
		return field != ""
	}
	for _, other := range c.routes(c.set) {
		if other.Key() != e.Key() && c.second(e, other) && claims(other.Document().Object, words(other.Key())+", in "+other.Place()) {
			return
		}
	}
	for _, name := range sortedNames(c.w.Others) {
		for _, other := range c.routes(c.w.Others[name]) {
			if other.Key() != e.Key() && c.w.newcomer(name, e.Key(), other.Key()) &&
				claims(other.Document().Object, fmt.Sprintf("%s of stack/%s, in %s", words(other.Key()), name, other.Place())) {
				return
			}
		}
	}
	for _, o := range c.w.List("Route") {
		if o.GetLabels()[specs.LabelStack] == "" && c.set.Get(store.Key{Kind: "Route", Name: o.GetName()}) == nil &&
			claims(o, "route/"+o.GetName()+", which was made through the API") {
			return
		}
	}
}

// routes of a set that can be parsed, in the order of their names. They are looked for once.
func (c *check) routes(s *Set) []*Entry {
	if list, ok := c.routesOf[s]; ok {
		return list
	}
	var list []*Entry
	if s != nil && s.kinds["Route"] > 0 {
		for _, k := range sortedKeys(s.byKey) {
			if e := s.byKey[k]; k.Kind == "Route" {
				if d := e.Document(); d != nil && d.Object != nil {
					list = append(list, e)
				}
			}
		}
	}
	if c.routesOf == nil {
		c.routesOf = map[*Set][]*Entry{}
	}
	c.routesOf[s] = list
	return list
}

// sealed tells of every route that leaves the host, in a stack that must not.
func (c *check) sealed() {
	if c.w.Locality != specs.LocalitySealed || c.set.kinds["Route"] == 0 {
		return
	}
	for _, e := range c.set.byKey {
		if e.Remote != "" && !e.Faulty {
			c.add(e.fault(e.Remote, "stack/%s has locality Sealed, so no route of it leaves the host: take this out, or write locality: LocalFirst", c.w.Stack))
		}
	}
}
