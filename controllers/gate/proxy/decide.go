package proxy

// verdict is what the rules say.
type verdict struct {
	// rule that decided; nil when none matched.
	rule *rule
	// err of a condition, which refuses.
	err    error
	shadow []*rule
}

func (v *verdict) allowed() bool { return v.rule != nil && v.err == nil && v.rule.Action == "Allow" }

func (v *verdict) reason() Reason {
	switch {
	case v.err != nil:
		return RuleError
	case v.rule == nil:
		return NoRule
	case v.rule.Action == "Deny":
		return RuleDenied
	}
	return RuleAllowed
}

// decide finds the first rule that matches. A rule in Shadow never ends the search, not with an error either. It reads and counts nothing.
func (g *gate) decide(in *Input) verdict {
	var v verdict
	g.deciding.each(in.Route.Name, in.Principal.Name, func(r *rule) bool {
		return !v.consider(r, in)
	})
	return v
}

// consider tries one rule and tells whether it decides.
func (v *verdict) consider(r *rule, in *Input) bool {
	m, err := r.match(in)
	switch {
	case m == MissError && !r.Shadow:
		v.rule, v.err = r, err
		return true
	case m != Matched:
		return false
	case r.Shadow:
		v.shadow = append(v.shadow, r)
		return false
	}
	v.rule = r
	return true
}

// filtersOf gives the rules whose filters a request passes, and those that would be passed but are in Shadow. An error refuses.
func (g *gate) filtersOf(in *Input) (active, shadow []*rule, err error, of *rule) {
	g.filtering.each(in.Route.Name, in.Principal.Name, func(r *rule) bool {
		m, e := r.match(in)
		switch {
		case m == MissError && !r.Shadow:
			err, of = e, r
			return false
		case m == Matched && r.Shadow:
			shadow = append(shadow, r)
		case m == Matched:
			active = append(active, r)
		}
		return true
	})
	return active, shadow, err, of
}
