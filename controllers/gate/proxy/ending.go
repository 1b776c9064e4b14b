package proxy

import (
	"context"
	"slices"
	"sync"
	"time"
)

// ending is the context of a request: it ends with the request, or before by a cause, which its Err tells. It does what one of the standard
// library's does, but costs less: most requests end before anybody waits for that. The zero value is ready, and must not be copied.
type ending struct {
	mu    sync.Mutex
	cause error
	done  chan struct{} // made for the first who asks
	after []hook
	room  [2]hook // the memory of after
	hooks int     // that there ever were
}

// hook is a function that waits for the end, by its number.
type hook struct {
	number int
	f      func()
}

var _ context.Context = (*ending)(nil)

// cancel ends it for a cause; nil is for a request that is over. The first one counts.
func (e *ending) cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cause != nil {
		return
	}
	if e.cause = cause; e.done != nil {
		close(e.done)
	}
	for _, h := range e.after {
		go h.f()
	}
	e.after = nil
}

// AfterFunc calls f in a goroutine of its own when it has ended, unless stop was called before and answered true. Package context knows and
// uses this method.
func (e *ending) AfterFunc(f func()) (stop func() bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cause != nil {
		go f()
		return func() bool { return false }
	}
	if e.after == nil {
		e.after = e.room[:0]
	}
	e.hooks++
	number := e.hooks
	e.after = append(e.after, hook{number, f})
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		before := len(e.after)
		e.after = slices.DeleteFunc(e.after, func(h hook) bool { return h.number == number })
		return len(e.after) < before
	}
}

// Done is closed when it has ended.
func (e *ending) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.cause != nil {
			close(e.done)
		}
	}
	return e.done
}

// Err is the cause, nil before the end. context.Cause tells the same.
func (e *ending) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause
}

// Deadline is none.
func (e *ending) Deadline() (deadline time.Time, ok bool) { return deadline, false }

// Value is none.
func (e *ending) Value(any) any { return nil }
