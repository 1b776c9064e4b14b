package specs

import (
	"fmt"
	"slices"
)

// Finder looks up what a reference leads to; nil when there is nothing, which is told elsewhere.
type Finder func(kind, name string) Object

// misfit is what does not fit between one object and another, at a field of the first.
type misfit struct{ field, text string }

// found looks an object up as its type.
func found[T Object](get Finder, kind, name string) (t T, ok bool) {
	t, ok = get(kind, name).(T)
	return t, ok
}

// Fits tells what of an object does not fit to the objects that it refers to: ports that a process does not have, rules that can match nothing,
// tokens that outlive what their principal lets them. That what it names is there is looked at elsewhere.
func Fits(o Object, get Finder) []Misfit {
	var out []Misfit
	for _, m := range fits(o, get) {
		out = append(out, Misfit{[]Site{{kindOfObject(o).Kind, o.GetName(), m.field}}, m.text})
	}
	return out
}

func fits(o Object, get Finder) []misfit {
	switch o := o.(type) {
	case *Route:
		return append(backendsFit("spec.backends", o.Spec.Backends, get), backendsFit("spec.fallbacks", o.Spec.Fallbacks, get)...)
	case *GateRule:
		return ruleFits(o, get)
	case *Process:
		return tokensFit(o, get)
	case *Check:
		return checkFits(o, get)
	}
	return nil
}

// backendsFit looks for the ports of processes.
func backendsFit(field string, backends []RouteBackend, get Finder) []misfit {
	var out []misfit
	for i, b := range backends {
		p, ok := found[*Process](get, "Process", b.Process)
		if !ok || b.Process == "" {
			continue
		}
		names := portNames(p)
		switch {
		case len(names) == 0:
			out = append(out, misfit{fmt.Sprintf("%s[%d].process", field, i), "process/" + b.Process + " has no ports, so nothing can be sent to it"})
		case b.Port != "" && !slices.Contains(names, b.Port):
			out = append(out, misfit{fmt.Sprintf("%s[%d].port", field, i),
				fmt.Sprintf("process/%s has no port %q%s", b.Process, b.Port, DidYouMean(b.Port, names))})
		}
	}
	return out
}

// ruleFits looks for routes that a rule names and can never be for.
func ruleFits(r *GateRule, get Finder) []misfit {
	var out []misfit
	tools := r.Spec.MCP == nil || len(r.Spec.Routes) == 0
	for i, name := range r.Spec.Routes {
		route, ok := found[*Route](get, "Route", name)
		if !ok {
			return out // nothing can be told of all of them
		}
		tools = tools || route.Spec.Protocol == ProtocolMCP
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
func tokensFit(p *Process, get Finder) []misfit {
	principal, ok := found[*Principal](get, "Principal", p.Spec.Principal)
	if !ok || p.Spec.Principal == "" || principal.Spec.Tokens == nil || principal.Spec.Tokens.MaxTTL == nil {
		return nil
	}
	var out []misfit
	for i, e := range p.Spec.Env {
		if e.ValueFrom == nil || e.ValueFrom.Token == nil {
			continue
		}
		ttl, at, word := DefaultTokenTTL, fmt.Sprintf("spec.env[%d].valueFrom.token", i), ", the default,"
		if d := e.ValueFrom.Token.TTL; d != nil {
			ttl, at, word = d.Duration, at+".ttl", ""
		}
		if most := principal.Spec.Tokens.MaxTTL.Duration; ttl > most {
			out = append(out, misfit{at, fmt.Sprintf("%s%s is more than the maxTTL of principal/%s, which is %s", ShortDuration(ttl), word, p.Spec.Principal, ShortDuration(most))})
		}
	}
	return out
}
