package proxy

import "strings"

// course is what the stages from 3 to 6 found for a route.
type course struct {
	route           *route
	in              Input
	rule            *rule
	shadow, filters []*rule
	filtered, edits []string
	rewritten       bool
	reason          Reason
	backend         *backend
	by              *endpoints
}

// former is the route that a call was for which was downgraded, and why it was.
type former struct{ route, why string }

// downgrade tries the route that a budget names for calls that do not fit, once: its scope, rules, filters, backends and budgets are asked anew, as if
// the call had been for it. If they do not let it through, the refusal is the one that there was.
func (x *exchange) downgrade(c *call, op *operation, bad *refusal) ([]attempt, *refusal) {
	was, to := x.course(), x.gate.routes[bad.exceeded.Downgrade]
	why := "there is none"
	switch {
	case to == nil:
	case to == x.route || to.Protocol != x.route.Protocol:
		why = "it cannot take this call"
	default:
		plan, no := x.take(c, op, to)
		if no == nil {
			x.rewritten = true
			x.from = &former{was.route.Name, "instead of route " + was.route.Name + ", for " + bad.text}
			return plan, nil
		}
		why = string(no.reason)
		if no.text != "" {
			why += ": " + no.text
		}
	}
	x.drop()
	x.resume(was)
	bad.note = "; route " + bad.exceeded.Downgrade + " was tried instead: " + why
	return nil, bad
}

// take takes a call to another route, as stage 3 leaves it, and from there on through the stages.
func (x *exchange) take(c *call, op *operation, to *route) ([]attempt, *refusal) {
	x.resume(course{in: x.in})
	if bad := x.found(to); bad != nil {
		return nil, bad
	}
	if len(to.Models) > 0 && !strings.HasSuffix(to.Models[0], "*") {
		x.in.LLM.Model = to.Models[0]
	}
	c.edits, c.adds = nil, false
	c.bound(op, x)
	x.input()
	return x.admit(c, op)
}

func (x *exchange) course() course {
	return course{x.route, x.in, x.rule, x.shadow, x.filters, x.filtered, x.edits, x.rewritten, x.reason, x.backend, x.by}
}

func (x *exchange) resume(c course) {
	x.route, x.in, x.rule, x.shadow, x.filters, x.filtered = c.route, c.in, c.rule, c.shadow, c.filters, c.filtered
	x.edits, x.rewritten, x.reason, x.backend, x.by = c.edits, c.rewritten, c.reason, c.backend, c.by
}
