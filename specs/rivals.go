package specs

import (
	"fmt"
	"slices"
)

// Rivals tells what two routes of one gate both claim, at a field of the first, with %s where the other is to be named; empty when each has its own.
func Rivals(a, b *Route) (field, text string) {
	x, y := &a.Spec, &b.Spec
	if x.Gate != y.Gate {
		return "", ""
	}
	whole := func(p RouteProtocol) bool { return p == ProtocolTCP }
	paths := func(p RouteProtocol) bool { return p == ProtocolMCP || p == ProtocolHTTP }
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
