package specs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

var gateColumns = []Column{nameColumn,
	column("Address", "string", "Where it listens, or is to.", func(g *Gate) any {
		return cmp.Or(g.Status.Address, g.Spec.Listen.Address, g.Spec.Listen.Unix)
	}),
	column("Status", "string", "Ready, or the reason why not.", func(g *Gate) any { return reasonOf(g.Status.Conditions, ConditionReady) }),
	column("Routes", "integer", "Routes that it serves.", func(g *Gate) any { return int64(g.Status.Routes) }),
	column("Rules", "integer", "Rules that are in force there.", func(g *Gate) any { return int64(g.Status.Rules) }),
	ageColumn,
	wide(column("Snapshot", "integer", "Number of the configuration that it runs.", func(g *Gate) any { return g.Status.Snapshot })),
	wide(column("Requests", "integer", "Requests since the gate's process began.", func(g *Gate) any { return g.Status.Requests })),
	wide(column("Refused", "integer", "Requests that were refused.", func(g *Gate) any { return g.Status.Refused })),
	wide(column("Streams", "integer", "Streams that are open.", func(g *Gate) any { return int64(g.Status.OpenStreams) })),
	wide(column("Why", "string", "Why the gate exists.", func(g *Gate) any { return g.Spec.Why })),
}

var routeColumns = []Column{nameColumn,
	column("Gate", "string", "Gate that serves it.", func(r *Route) any { return r.Spec.Gate }),
	column("Protocol", "string", "What clients speak.", func(r *Route) any { return string(r.Spec.Protocol) }),
	column("Endpoints", "string", "Endpoints that may serve a request now, out of those declared.", func(r *Route) any {
		return fmt.Sprintf("%d/%d", r.Status.Endpoints, r.Status.Declared)
	}),
	column("Status", "string", "Ready, or the reason why not.", func(r *Route) any { return reasonOf(r.Status.Conditions, ConditionReady) }),
	ageColumn,
	wide(column("Match", "string", "Models, path or hosts that are the route's.", func(r *Route) any {
		m := r.Spec.Match
		return cut(strings.Join(append(append(slices.Clone(m.Models), m.Hosts...), m.Path), " "), 60)
	})),
	wide(column("Why", "string", "Why the route exists.", func(r *Route) any { return r.Spec.Why })),
}

var gateRuleColumns = []Column{nameColumn,
	column("Action", "string", "Allow, Deny or Filter.", func(r *GateRule) any {
		if r.Spec.Action == "" {
			return "Filter"
		}
		return string(r.Spec.Action)
	}),
	column("Mode", "string", "Enforce or Shadow.", func(r *GateRule) any { return string(r.Spec.Mode) }),
	column("Priority", "integer", "The lowest is tried first.", func(r *GateRule) any {
		if r.Spec.Priority == nil {
			return nil
		}
		return int64(*r.Spec.Priority)
	}),
	column("Status", "string", "Ready, or the reason why not.", func(r *GateRule) any { return reasonOf(r.Status.Conditions, ConditionReady) }),
	column("Reason", "string", "What a refused client is told.", func(r *GateRule) any { return cut(r.Spec.Reason, 60) }),
	ageColumn,
	wide(column("For", "string", "Whom it is for.", func(r *GateRule) any { return r.Spec.Principals.Short() })),
	wide(column("Hits", "integer", "Requests that it decided or filtered.", func(r *GateRule) any { return r.Status.Hits })),
	wide(column("Shadow Hits", "integer", "Requests that it would have decided or filtered.", func(r *GateRule) any { return r.Status.ShadowHits })),
	wide(column("Last Match", "date", "Time since it matched last.", func(r *GateRule) any { return dateOf(r.Status.LastMatch) })),
	wide(column("Expires", "string", "When it ends, in UTC.", func(r *GateRule) any { return dateOf(r.Spec.Expires) })),
}

var principalColumns = []Column{nameColumn,
	column("Type", "string", "Agent, Human or Process.", func(p *Principal) any { return string(p.Spec.Type) }),
	column("Status", "string", "Ready, or the reason why not.", func(p *Principal) any { return reasonOf(p.Status.Conditions, ConditionReady) }),
	column("Tokens", "integer", "Tokens that are valid now.", func(p *Principal) any { return int64(p.Status.Tokens) }),
	column("Instances", "integer", "Instances that act as it now.", func(p *Principal) any { return int64(p.Status.Instances) }),
	ageColumn,
	wide(column("Next Expiry", "string", "When the first of its tokens ends, in UTC.", func(p *Principal) any { return dateOf(p.Status.NextExpiry) })),
	wide(column("Why", "string", "Why the identity exists.", func(p *Principal) any { return p.Spec.Why })),
}
