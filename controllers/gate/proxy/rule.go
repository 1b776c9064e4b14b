package proxy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/specs/expr"
)

// rule is a compiled rule. It is never changed.
type rule struct {
	*RuleConfig
	order   int // in which it is tried
	when    *condition
	filters Filters // of a rule that filters
	counter *counter
}

// decides tells a rule that allows or denies from one that filters.
func (r *rule) decides() bool { return r.Action != "" }

// Input is what rules look at. Vars hold all that a condition may look at; what they name is what selectors are matched with.
type Input struct {
	Gate string
	expr.Vars
	// List asks what may be seen at all: an operation that every server of the protocol has, as a list of its tools, which a rule that
	// allows one of them implies.
	List bool
}

// Miss says how far a rule came until it did not match. The later, the nearer.
type Miss int

// The misses in the order in which they are looked for.
const (
	MissExpired Miss = iota
	MissRoute
	MissPrincipal
	MissOperation
	MissCondition
	// MissError: the condition could not be evaluated, which refuses.
	MissError
	// Matched: it is no miss.
	Matched
)

var missNames = [...]string{"Expired", "Route", "Principal", "Operation", "Condition", "Error", "Matched"}

// String is the name of the miss.
func (m Miss) String() string { return missNames[m] }

// match tells whether a rule is about what is asked for, and if not, why.
func (r *rule) match(in *Input) (Miss, error) {
	switch {
	case r.expired(in.Time):
		return MissExpired, nil
	case len(r.Routes) > 0 && !slices.Contains(r.Routes, in.Route.Name):
		return MissRoute, nil
	case !r.isFor(&in.Principal):
		return MissPrincipal, nil
	case r.RuleConfig.MCP && !r.covers(in):
		return MissOperation, nil
	case r.when == nil:
		return Matched, nil
	}
	ok, err := r.when.eval(&in.Vars)
	switch {
	case err != nil:
		return MissError, err
	case !ok:
		return MissCondition, nil
	}
	return Matched, nil
}

func (r *rule) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// isFor tells whether a principal is one of the rule's. A rule that decides against or filters may name nobody: then it is for all.
func (r *rule) isFor(p *expr.Principal) bool {
	if r.All {
		return true
	}
	if len(r.Names) > 0 && !slices.Contains(r.Names, p.Name) || len(r.Types) > 0 && !slices.Contains(r.Types, p.Type) {
		return false
	}
	for k, v := range r.Labels {
		if have, ok := p.Labels[k]; !ok || have != v {
			return false
		}
	}
	return len(r.Names)+len(r.Types)+len(r.Labels) > 0 || r.Action != "Allow"
}

// covers tells whether an operation of an MCP server is one that the rule names. An Allow implies the methods that list or describe.
func (r *rule) covers(in *Input) bool {
	switch m := &in.MCP; {
	case m.Tool != "":
		return fitsAny(r.Tools, m.Tool)
	case m.Resource != "":
		return fitsAny(r.Resources, m.Resource)
	case m.Prompt != "":
		return fitsAny(r.Prompts, m.Prompt)
	}
	return in.List && r.Action == "Allow"
}

// fitsAny tells whether a name is one of patterns, which may end in *.
func fitsAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return p == name
	})
}

// compile makes a rule ready, but for its condition. The error names it and its place.
func (r *rule) compile(c *RuleConfig, order int, cache *Cache) error {
	r.RuleConfig, r.order = c, order
	if c.Action != "" && c.Action != "Allow" && c.Action != "Deny" || (c.Action == "") == (len(c.Filters) == 0) {
		return fmt.Errorf("%s must either allow, deny or filter", c.title())
	}
	if len(c.Filters) > 0 {
		f, err := cache.filters(c.Filters)
		if err != nil {
			return fmt.Errorf("the filters of %s do not compile: %w", c.title(), err)
		}
		r.filters = f
	}
	return nil
}

// title names a rule and the place that declares it.
func (c *RuleConfig) title() string {
	if c.Place == "" {
		return fmt.Sprintf("rule %q", c.Name)
	}
	return fmt.Sprintf("rule %q (%s)", c.Name, c.Place)
}
