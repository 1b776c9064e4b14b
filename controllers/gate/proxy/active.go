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

// remove is called when a request ends; now is what is in force. It may have been the last that streams of a leaving address waited for.
func (a *active) remove(x *exchange, now *View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, x)
	if x.view != now && !x.lasts() && x.going.Load() != nil {
		a.endStreams(now)
	}
}

// lasts tells that it may have no end of its own.
func (x *exchange) lasts() bool { return x.endless || x.switchedTo.Load() }

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

// leaving are the addresses that requests are under way to and a view does not have any more. What may have no end of its own is not waited for:
// streams are ended when nothing else goes to their address; of what was switched to another protocol only the two ends know how it is closed,
// which the instance does when it is told to stop.
func (a *active) leaving(v *View) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]bool{}
	a.left(v, func(x *exchange, at *endpoint) {
		if !x.lasts() {
			out[at.target.Address] = true
		}
	})
	return slices.Sorted(maps.Keys(out))
}

// replaced is called when a view has come into force.
func (a *active) replaced(v *View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endStreams(v)
}

// endStreams ends streams that have no end of their own, from addresses that a view does not have any more and nothing else goes to: a client
// whose stream ends finds its session gone, and gives up what it still waits for. The lock is held.
func (a *active) endStreams(v *View) {
	busy, streams := map[string]bool{}, map[*exchange]string{}
	a.left(v, func(x *exchange, at *endpoint) {
		switch {
		case x.endless:
			streams[x] = at.target.Address
		case !x.lasts():
			busy[at.target.Address] = true
		}
	})
	for x, address := range streams {
		if !busy[address] {
			x.ctx.cancel(errLeft)
		}
	}
}

// left calls f with each request that is under way to an address which a view does not have any more. The lock is held.
func (a *active) left(v *View, f func(*exchange, *endpoint)) {
	var used map[string]bool
	for x := range a.all {
		at := x.going.Load()
		if at == nil || x.view.endpoints == v.endpoints && x.view.compiled == v.compiled {
			continue
		}
		if used == nil {
			used = v.used()
		}
		if !used[at.target.Address] {
			f(x, at)
		}
	}
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
	errLeft      = &cause{BackendLeft}
)

// causeOf tells why a context ended.
func causeOf(ctx context.Context) *cause {
	if c, ok := context.Cause(ctx).(*cause); ok {
		return c
	}
	return nil
}
