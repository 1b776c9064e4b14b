package proxy

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// active are the requests under way, so that those of a caller who is nobody any more can be ended.
type active struct {
	mu  sync.Mutex
	all map[*exchange]struct{}
}

func (a *active) add(x *exchange) {
	a.mu.Lock()
	if a.all == nil {
		a.all = map[*exchange]struct{}{}
	}
	a.all[x] = struct{}{}
	a.mu.Unlock()
}

func (a *active) remove(x *exchange) {
	a.mu.Lock()
	delete(a.all, x)
	a.mu.Unlock()
}

// end ends the requests whose callers are not what they were.
func (a *active) end(ids *identities, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for x := range a.all {
		if !ids.still(x.caller, now) {
			x.ctx.cancel(errRevoked)
		}
	}
}

// leaving are the addresses that requests are under way to and a view does not have any more.
func (a *active) leaving(v *View) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var used map[string]bool
	out := map[string]bool{}
	for x := range a.all {
		at := x.going.Load()
		if at == nil || x.view.endpoints == v.endpoints && x.view.compiled == v.compiled {
			continue
		}
		if used == nil {
			used = v.used()
		}
		if !used[at.target.Address] {
			out[at.target.Address] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// endAll ends all of them.
func (a *active) endAll(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for x := range a.all {
		x.ctx.cancel(cause)
	}
}

// causes of the end of a request.
type cause struct{ reason Reason }

func (c *cause) Error() string { return reasons[c.reason].text }

// Is makes it what the end of a context is elsewhere.
func (c *cause) Is(target error) bool { return target == context.Canceled }

var (
	errRevoked   = &cause{Revoked}
	errRequest   = &cause{RequestTimeout}
	errAbandoned = &cause{ClientGone}
	errEnded     = &cause{Ended}
)

// causeOf tells why a context ended.
func causeOf(ctx context.Context) *cause {
	if c, ok := context.Cause(ctx).(*cause); ok {
		return c
	}
	return nil
}
