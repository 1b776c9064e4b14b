package process

import (
	"context"
	"errors"
	"sync"
)

// tasks runs functions beside reconciling, each until it ends or run's context does. Those that come before run wait for it.
type tasks struct {
	mu      sync.Mutex // guards pending
	pending []func(context.Context)
	wake    chan struct{}
}

func newTasks() *tasks { return &tasks{wake: make(chan struct{}, 1)} }

// add has a function run soon.
func (t *tasks) add(f func(context.Context)) {
	t.mu.Lock()
	t.pending = append(t.pending, f)
	t.mu.Unlock()
	wake(t.wake)
}

// run runs what was added until ctx ends, and then waits for what still runs.
func (t *tasks) run(ctx context.Context) error {
	var children sync.WaitGroup
	defer children.Wait()
	for {
		t.mu.Lock()
		pending := t.pending
		t.pending = nil
		t.mu.Unlock()
		for _, f := range pending {
			children.Go(func() { f(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		}
	}
}

// wake puts a token into a channel of capacity one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// all runs functions side by side until all have ended; when one ends early, so do the others.
func all(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(runs))
	var children sync.WaitGroup
	for i, run := range runs {
		children.Go(func() {
			defer cancel()
			errs[i] = run(ctx)
		})
	}
	children.Wait()
	return errors.Join(errs...)
}
