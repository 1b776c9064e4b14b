package gate

import "mirroros.dev/mirroros/controllers/gate/proxy/control"

// counts are counters by the names of gates and rules.
type counts struct {
	gates map[string]control.GateCount
	rules map[string]control.RuleCount
}

// Count takes what a gate process told: the counters that changed, since that process began.
func (r *Reconciler) Count(process string, c control.Counts) {
	r.mu.Lock()
	known, ok := r.counted[process]
	if !ok {
		known = counts{gates: map[string]control.GateCount{}, rules: map[string]control.RuleCount{}}
		r.counted[process] = known
	}
	for _, g := range c.Gates {
		known.gates[g.Name] = g
	}
	for _, u := range c.Rules {
		known.rules[u.Name] = u
	}
	r.mu.Unlock()
	r.Changed()
}

// Gone forgets the counters of a gate process that is no longer connected.
func (r *Reconciler) Gone(process string) {
	r.mu.Lock()
	delete(r.counted, process)
	r.mu.Unlock()
	r.Changed()
}

// sum adds up what all gate processes told; while one takes over from another there are two. The lock is held.
func (r *Reconciler) sum() counts {
	out := counts{gates: map[string]control.GateCount{}, rules: map[string]control.RuleCount{}}
	for _, c := range r.counted {
		for name, g := range c.gates {
			s := out.gates[name]
			out.gates[name] = control.GateCount{Name: name, Requests: s.Requests + g.Requests, Refused: s.Refused + g.Refused, Streams: s.Streams + g.Streams}
		}
		for name, u := range c.rules {
			s := out.rules[name]
			last := s.Last
			if u.Last.After(last) {
				last = u.Last
			}
			out.rules[name] = control.RuleCount{Name: name, Hits: s.Hits + u.Hits, Shadow: s.Shadow + u.Shadow, Last: last}
		}
	}
	return out
}
