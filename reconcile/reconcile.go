package reconcile

import (
	"context"
	"errors"
	"time"

	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
)

// Request names the object to reconcile. It carries nothing else: what happened is not what matters, only how things are now.
type Request = store.Key

// Result says when to look again, besides whenever something changes. The zero Result is: not before something changes.
type Result struct {
	// RequeueAfter looks again after this time. A later call that asks for an earlier time wins; one that asks for none clears nothing.
	RequeueAfter time.Duration
}

// Reconciler brings the host toward what one object declares.
//
// Reconcile is level-based: it reads how things are, decides, acts, and writes the status once. It is called again after any error
// (with backoff), after RequeueAfter, and whenever an object or source that its Controller watches says so; never twice at once for
// one Request. An object that is gone is a Request like any other. An error from TerminalError is not tried again before something changes.
type Reconciler interface {
	Reconcile(ctx context.Context, r Request) (Result, error)
}

// Source feeds requests from outside the store: files, child exits, timers. Run blocks until ctx ends.
type Source interface {
	Run(ctx context.Context, enqueue func(Request, queue.Priority)) error
}

// Watch makes changes of another kind requests of this controller. Map is pure and quick; it gets the object as it was too.
type Watch struct {
	Kind string
	Map  func(store.Event) []Request
}

// Controller is a Reconciler and what makes it run.
type Controller struct {
	// Name in logs and events, lower case.
	Name string
	// Kind whose objects are its requests.
	Kind string
	// Workers that reconcile at once, each another key. Default 1.
	Workers int
	// Watches and Sources add requests.
	Watches []Watch
	Sources []Source
	// Reconciler does the work.
	Reconciler Reconciler
}

// TerminalError marks an error that trying again cannot mend.
func TerminalError(err error) error { return &terminalError{err} }

type terminalError struct{ error }

func (e *terminalError) Unwrap() error { return e.error }

// IsTerminal tells whether err, or one it wraps, came from TerminalError.
func IsTerminal(err error) bool {
	var t *terminalError
	return errors.As(err, &t)
}
