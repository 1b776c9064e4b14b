package check

import (
	"context"
	"fmt"
	"sync"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Run makes the runs that were decided, until ctx ends and those under way have. It is the source of the reconciler's own controller.
func (r *Reconciler) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	r.mu.Lock()
	r.enqueue = enqueue
	r.mu.Unlock()
	var children sync.WaitGroup
	defer children.Wait()
	for {
		r.mu.Lock()
		starts := r.starts
		r.starts = nil
		r.mu.Unlock()
		for _, m := range starts {
			children.Go(func() {
				_, _ = r.run(ctx, m, nil) // broken off: it is as if it had not begun
				r.ended(m)
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
	}
}

// ended asks for a look after a run that was decided.
func (r *Reconciler) ended(m *memory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.running = false
	if r.enqueue != nil {
		r.enqueue(request(m.check.Name), queue.Normal)
	}
}

// RunNow runs a check because somebody asks, and answers when it has ended. store.ErrNotFound when there is none of the name. It waits for
// a run of the check that is under way, and counts as one of the schedule.
func (r *Reconciler) RunNow(ctx context.Context, name string, tell func(specs.CheckMeasurement)) (specs.CheckRun, error) {
	c, ok := reconcile.Get[*specs.Check](r.o.Client, name)
	if !ok {
		return specs.CheckRun{}, fmt.Errorf("cannot run Check %q: %w", name, store.ErrNotFound)
	}
	run, err := r.run(ctx, r.memory(name, c), tell)
	if err != nil {
		return run, fmt.Errorf("cannot run Check %q: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.enqueue != nil {
		r.enqueue(request(name), queue.Normal)
	}
	return run, nil
}

// run makes one run when it is its turn, and keeps the result for the next look. An error: it was broken off.
func (r *Reconciler) run(ctx context.Context, m *memory, tell func(specs.CheckMeasurement)) (specs.CheckRun, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-m.gone:
			cancel(fmt.Errorf("it was changed or removed meanwhile"))
		case <-over:
		}
	}()
	for _, ch := range []chan struct{}{m.turn, r.slots} {
		select {
		case ch <- struct{}{}:
			defer func() { <-ch }()
		case <-ctx.Done():
			return specs.CheckRun{}, context.Cause(ctx)
		}
	}
	begin := r.now()
	run := r.Measure(ctx, m.check, "", tell)
	if ctx.Err() != nil {
		return run, context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.last, m.result = begin, &run
	return run, nil
}
