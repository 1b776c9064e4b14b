package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
)

const (
	// sourceBackoff is the wait before a source that failed runs again; it doubles up to sourceBackoffMax.
	sourceBackoff    = 100 * time.Millisecond
	sourceBackoffMax = time.Minute
)

// work reconciles requests until ctx ends.
func (c *running) work(ctx context.Context) {
	for {
		r, _, ok := c.queue.Get(ctx)
		if !ok {
			return
		}
		c.handle(ctx, r)
		c.queue.Done(r)
		if c.m.resting != nil {
			c.m.resting.Reset(c.m.o.RestAfter)
		}
	}
}

// handle reconciles one request and queues it again as the answer asks.
func (c *running) handle(ctx context.Context, r Request) {
	rc := &requestContext{Context: ctx, c: c, r: r, id: c.m.ids.Add(1)}
	res, err := c.reconcile(rc, r)
	switch {
	case err == nil && res.RequeueAfter > 0:
		c.queue.Forget(r)
		c.queue.AddAfter(r, res.RequeueAfter, queue.Normal)
	case err == nil:
		c.queue.Forget(r)
	case ctx.Err() != nil: // the operator ends; what is left is found again at its next start
	case IsTerminal(err):
		c.queue.Forget(r)
		rc.log().Error(err, "cannot reconcile, waiting for a change")
	case errors.Is(err, store.ErrConflict):
		c.queue.AddRateLimited(r, queue.Normal)
		rc.log().V(1).Info("changed meanwhile, trying again", "cause", err.Error())
	default:
		c.queue.AddRateLimited(r, queue.Normal)
		rc.log().Error(err, "cannot reconcile, trying again", "failures", c.queue.Failures(r))
	}
}

func (c *running) reconcile(ctx *requestContext, r Request) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			ctx.log().Error(err, "reconciler panicked", "stack", string(debug.Stack()))
		}
	}()
	return c.Reconciler.Reconcile(ctx, r)
}

// feed runs a source until ctx ends, again after a while when it fails.
func (c *running) feed(ctx context.Context, s Source) {
	enqueue := func(r Request, p queue.Priority) { c.queue.Add(r, p) }
	for wait := sourceBackoff; ; wait = min(2*wait, sourceBackoffMax) {
		begin := time.Now()
		err := runSource(ctx, s, enqueue)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begin) > sourceBackoffMax {
			wait = sourceBackoff
		}
		c.log.Error(err, "source ended, running it again", "source", fmt.Sprintf("%T", s), "after", wait.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func runSource(ctx context.Context, s Source, enqueue func(Request, queue.Priority)) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.Run(ctx, enqueue)
}

// requestContext is the context of one Reconcile. Its logger is made when it is asked for: most calls have nothing to say.
type requestContext struct {
	context.Context
	c  *running
	r  Request
	id uint64
}

type requestKey struct{}

// Value answers itself for requestKey.
func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func (c *requestContext) log() logr.Logger {
	return c.c.log.WithValues("object", c.r.String(), "reconcileID", c.id)
}

// Log answers the logger for what Reconcile has to say: it names the controller, the object and the call. Outside of Reconcile it is the context's own, which may be silent.
func Log(ctx context.Context) logr.Logger {
	if c, ok := ctx.Value(requestKey{}).(*requestContext); ok {
		return c.log()
	}
	return logr.FromContextOrDiscard(ctx)
}
