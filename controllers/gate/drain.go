package gate

import (
	"context"
	"slices"
	"strings"
)

// Served tells whether a gate sends requests to a port of a process.
func (r *Reconciler) Served(process string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.docs.endpoints.Ready {
		if strings.HasPrefix(name, endpointsName(process, "")) {
			return true
		}
	}
	return false
}

// Drain waits until no gate sends requests to any of the addresses, and those that were sent there have ended; or until ctx ends. It is
// called when the instance that has them is about to be stopped, so that its status takes them out of the endpoints.
func (r *Reconciler) Drain(ctx context.Context, addresses []string) {
	for {
		r.mu.Lock()
		left, news := r.drained(addresses), r.news
		r.mu.Unlock()
		if left {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// drained tells whether nothing goes to the addresses any more. The lock is held.
func (r *Reconciler) drained(addresses []string) bool {
	running := r.o.Line.Running()
	if len(running) == 0 {
		return true // nobody sends anything
	}
	for _, list := range r.docs.endpoints.Ready {
		if overlap(list, addresses) {
			return false
		}
	}
	for _, g := range running {
		if g.Endpoints < r.docs.endpoints.Number || overlap(g.Leaving, addresses) {
			return false
		}
	}
	return true
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
