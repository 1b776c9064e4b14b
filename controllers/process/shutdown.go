package process

import (
	"context"
	"time"

	"mirroros.dev/mirroros/reconcile/queue"
)

// Shutdown stops every run in order, those that others depend on last, and returns when none is left or ctx ends. Nothing is started any
// more, whatever changes. The controller must be running.
func (r *Reconciler) Shutdown(ctx context.Context) error {
	r.down.Store(true)
	for _, name := range r.remembered() {
		r.ask(name, queue.Edit)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for round := 0; r.running(); round++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if round%50 == 49 { // a dependency that was asked too early; there is no other place that would ask again
			for _, name := range r.remembered() {
				r.ask(name, queue.Normal)
			}
		}
	}
	return nil
}

// running tells whether any run is left.
func (r *Reconciler) running() bool {
	for _, ri := range r.runtime.List() {
		if ri.Exit == nil {
			return true
		}
	}
	return false
}
