package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mirroros.dev/mirroros/specs/expr"
)

// Trace is how the rules of a gate decide about an Input: what a person needs to see why.
type Trace struct {
	// Allowed, and why: a reason code, and the rule that decided, if one did.
	Allowed bool
	Reason  Reason
	Rule    string
	// Tried are the rules that were looked at, in their order, the one that decided last.
	Tried []Tried
	// Nearest is the Allow that missed by least, when nothing allowed.
	Nearest *Tried
	// Filters are the rules whose filters the request would pass.
	Filters []string
}

// Tried is one rule and how it fared.
type Tried struct {
	Rule, Place, Action string
	Priority            int32
	Shadow              bool
	Miss                Miss
	// Why says in words what did not match.
	Why string
}

// Explain evaluates an input as a request would be, and tells of each rule how it fared. It looks at all rules of the gate, not only at those
// that the index finds, and counts nothing.
func Explain(v *View, in *Input) (Trace, error) {
	g := v.gates[in.Gate]
	if g == nil {
		return Trace{}, fmt.Errorf("cannot explain: there is no gate %q; there are %s", in.Gate, strings.Join(slices.Sorted(maps.Keys(v.gates)), ", "))
	}
	var t Trace
	var verdict verdict
	for _, r := range g.rules {
		if !r.decides() {
			if m, _ := r.match(in); m == Matched && !r.Shadow {
				t.Filters = append(t.Filters, r.Name)
			}
			continue
		}
		if verdict.rule != nil {
			continue
		}
		m, err := r.match(in)
		t.Tried = append(t.Tried, Tried{Rule: r.Name, Place: r.Place, Action: r.Action, Priority: r.Priority, Shadow: r.Shadow, Miss: m, Why: r.why(m, in, err)})
		verdict.consider(r, in)
	}
	t.Allowed, t.Reason = verdict.allowed(), verdict.reason()
	if verdict.rule != nil {
		t.Rule = verdict.rule.Name
	}
	if !t.Allowed {
		t.Nearest = nearest(t.Tried)
	}
	return t, nil
}

// nearest is the Allow in force that came furthest; the first of those that came equally far.
func nearest(tried []Tried) *Tried {
	var best *Tried
	for i := range tried {
		if t := &tried[i]; t.Action == "Allow" && !t.Shadow && t.Miss != Matched && (best == nil || cmp.Compare(t.Miss, best.Miss) > 0) {
			best = t
		}
	}
	return best
}

// why says in words what did not match. It quotes what the rule says, and of the request its names only.
func (r *rule) why(m Miss, in *Input, err error) string {
	switch m {
	case MissExpired:
		return "it ended at " + r.Expires.UTC().Format("2006-01-02T15:04:05Z")
	case MissRoute:
		return fmt.Sprintf("it is for routes %s, not %s", strings.Join(r.Routes, ", "), in.Route.Name)
	case MissPrincipal:
		return "it is for " + r.audience() + ", not " + in.Principal.Name
	case MissOperation:
		return fmt.Sprintf("it is for %s, not %s", r.operations(), operationOf(&in.MCP))
	case MissCondition:
		return "its condition is false: " + r.When
	case MissError:
		var e *expr.Error
		if errors.As(err, &e) {
			return "its condition does not compile: " + e.Message
		}
		return err.Error() + ": " + r.When
	}
	if r.Shadow {
		return "it matches, and is in Shadow"
	}
	return "it matches"
}

func (r *rule) audience() string {
	var parts []string
	if len(r.Names) > 0 {
		parts = append(parts, strings.Join(r.Names, ", "))
	}
	if len(r.Types) > 0 {
		parts = append(parts, "type "+strings.Join(r.Types, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		parts = append(parts, "label "+k+"="+r.Labels[k])
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, " with ")
}

func (r *rule) operations() string {
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"tools ", r.Tools}, {"resources ", r.Resources}, {"prompts ", r.Prompts}} {
		if len(p.names) > 0 {
			parts = append(parts, p.what+strings.Join(p.names, ", "))
		}
	}
	if len(parts) == 0 {
		return "lists of MCP servers"
	}
	return strings.Join(parts, " and ")
}

func operationOf(m *expr.MCP) string {
	switch {
	case m.Tool != "":
		return "tool " + m.Tool
	case m.Resource != "":
		return "resource " + m.Resource
	case m.Prompt != "":
		return "prompt " + m.Prompt
	case m.Method != "":
		return m.Method
	}
	return "a request that is no MCP operation"
}
