package proxy

import (
	"math/rand/v2"
	"slices"
)

// attempt is one backend that may be tried, with its addresses in the order in which they are.
type attempt struct {
	*backend
	endpoints []*endpoint
	tied      bool // to these: no other address of the backend will do
}

// now gives those of its addresses that may serve now.
func (a attempt) now(e *endpoints) []*endpoint {
	list := a.ready(e)
	if !a.tied {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(at *endpoint) bool { return at.target.Address != a.endpoints[0].target.Address })
}

// choose is stage 6: the backend that is tried first, by weight among those that are ready, and the fallbacks that may follow it. None of them
// is more remote than the first.
func (r *route) choose(e *endpoints, allowRemote bool) ([]attempt, *refusal) {
	remote := r.mayLeave(allowRemote)
	var total int
	var ready []attempt
	allowed, mayLeave := false, false
	for _, b := range r.backends {
		if b.Weight == 0 || b.Remote && !remote {
			continue
		}
		allowed, mayLeave = true, mayLeave || b.Remote
		if at := b.ready(e); len(at) > 0 {
			ready = append(ready, attempt{backend: b, endpoints: at})
			total += b.Weight
		}
	}
	plan := make([]attempt, 0, 1+len(r.fallbacks))
	switch {
	case len(ready) > 0:
		first := pick(ready, total)
		plan, mayLeave = append(plan, first), first.Remote
	case !allowed && r.Locality == Sealed:
		return nil, refuse(SealedRoute, "")
	case !allowed && !remote:
		return nil, refuse(RemoteNotAllowed, "")
	case !allowed || !r.onNotReady:
		return nil, refuse(BackendNotReady, "")
	}
	for _, b := range r.fallbacks {
		if at := b.ready(e); len(at) > 0 && (!b.Remote || remote && mayLeave) {
			plan = append(plan, attempt{backend: b, endpoints: at})
		}
	}
	if len(plan) == 0 {
		return nil, refuse(BackendNotReady, "")
	}
	return plan, nil
}

// mayLeave tells whether a request may leave the host.
func (r *route) mayLeave(allowRemote bool) bool {
	return r.Locality == Open || r.Locality == LocalFirst && allowRemote
}

// pick takes one by weight.
func pick(ready []attempt, total int) attempt {
	if len(ready) == 1 {
		return ready[0]
	}
	n := rand.IntN(total)
	for _, a := range ready {
		if n -= a.Weight; n < 0 {
			return a
		}
	}
	return ready[len(ready)-1]
}

// leastBusy gives the addresses with the least busy first; among equals any may be.
func leastBusy(at []*endpoint) []*endpoint {
	if len(at) < 2 {
		return at
	}
	type load struct {
		*endpoint
		busy int64
		tie  uint32
	}
	loads := make([]load, len(at))
	for i, e := range at {
		loads[i] = load{e, e.busy.Load(), rand.Uint32()}
	}
	slices.SortFunc(loads, func(a, b load) int {
		if a.busy != b.busy {
			return int(a.busy - b.busy)
		}
		return int(a.tie>>1) - int(b.tie>>1)
	})
	out := make([]*endpoint, len(at))
	for i, l := range loads {
		out[i] = l.endpoint
	}
	return out
}
