package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// budgets are the ledger as the proxy knows it. The ledger is opened with the first budget; one that cannot be opened is tried again with a call,
// at most once in a second, and meanwhile calls are refused.
type budgets struct {
	dir string
	log logr.Logger
	// changed is called when running has changed by itself.
	changed func()

	ledger atomic.Pointer[ledger.Ledger] // nil while it is not open
	number atomic.Int64                  // of the budgets that are in force
	fault  atomic.Pointer[string]        // of opening, or of the last call; nil for none

	mu     sync.Mutex // guards opening, and the fields below
	config *ledger.Config
	tried  time.Time
	logged string // the fault that was logged last
	closed bool
}

// retry is how long a ledger that cannot be opened is left alone.
const retry = time.Second

var (
	errUnknownBudgets = errors.New("the budgets that are declared cannot be read")
	// errConfig is the error of budgets that a ledger does not take.
	errConfig = errors.New("cannot have the budgets in force")
)

// configure has budgets in force. An error means that nothing changed; a ledger that cannot be opened is none: the budgets hold, and nothing passes.
func (b *budgets) configure(c *ledger.Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.config
	b.config = c
	var err error
	switch l := b.ledger.Load(); {
	case l != nil:
		if err = l.Configure(*c); err != nil {
			err = fmt.Errorf("%w: %w", errConfig, err)
		}
	case len(c.Budgets) > 0:
		err = b.open()
	}
	if errors.Is(err, errConfig) {
		b.config = was
		return err
	}
	b.number.Store(c.Number)
	b.note(err)
	return nil
}

// open opens the ledger. The lock is held.
func (b *budgets) open() error {
	b.tried = time.Now()
	l, err := ledger.Open(ledger.Options{Dir: b.dir, Log: b.log})
	if err != nil {
		return err
	}
	if err := l.Configure(*b.config); err != nil {
		return fmt.Errorf("%w: %w", errConfig, errors.Join(err, l.Close()))
	}
	b.ledger.Store(l)
	return nil
}

// note keeps what is wrong with the ledger, if anything is. The lock is held.
func (b *budgets) note(err error) {
	if err == nil {
		b.fault.Store(nil)
		return
	}
	text := err.Error()
	b.fault.Store(&text)
	if b.logged != text {
		b.logged = text
		b.log.Error(err, "The ledger does not work: calls that it should know of are refused")
	}
}

// opened gives the ledger, opening it when it is time to try again.
func (b *budgets) opened() (*ledger.Ledger, error) {
	if l := b.ledger.Load(); l != nil {
		return l, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch fault := b.fault.Load(); {
	case b.config == nil:
		return nil, errUnknownBudgets
	case b.closed:
		return nil, ledger.ErrClosed
	case b.ledger.Load() == nil && fault != nil && time.Since(b.tried).Abs() < retry:
		return nil, errors.New(*fault)
	case b.ledger.Load() == nil:
		err := b.open()
		if b.note(err); err != nil {
			return nil, err
		}
		b.changed()
	}
	return b.ledger.Load(), nil
}

// noted keeps what a call found of the ledger, for the operator.
func (b *budgets) noted(err error) {
	was := b.fault.Load()
	if err == nil && was == nil {
		return
	}
	b.mu.Lock()
	b.note(err)
	b.mu.Unlock()
	if err == nil || was == nil || err.Error() != *was {
		b.changed()
	}
}

// running tells the number of the budgets that are in force, and what is wrong with the ledger.
func (b *budgets) running() (number int64, fault string) {
	if f := b.fault.Load(); f != nil {
		fault = *f
	}
	return b.number.Load(), fault
}

// close ends the ledger; nothing is asked of it any more.
func (b *budgets) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	l := b.ledger.Swap(nil)
	if l == nil {
		return
	}
	if err := l.Close(); err != nil {
		b.log.Error(err, "The ledger was not closed well; what was not written is charged in full")
	}
}

// Reserve asks the ledger.
func (b *budgets) Reserve(ctx context.Context, a *proxy.Ask) (proxy.Reservation, *proxy.Exceeded, error) {
	l, err := b.opened()
	if err != nil {
		return nil, nil, err
	}
	r := ledger.Request{ID: a.Request, Principal: a.Principal, Gate: a.Gate, Route: a.Route, Model: a.Model, Input: a.Input, Output: a.Output,
		MinOutput: a.MinOutput, Choices: a.Choices}
	for _, p := range a.Prices {
		r.Prices = append(r.Prices, priceOf(p))
	}
	held, over, err := l.Reserve(ctx, &r)
	switch {
	case errors.Is(err, ledger.ErrCall): // the ledger is well: a caller must not make it look broken for all
		return nil, nil, unaccountable{err}
	case ctx.Err() == nil: // else it is the call that ended
		b.noted(err)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case over != nil:
		return nil, &proxy.Exceeded{Budget: over.Budget, Limit: over.Limit, Measure: string(over.Measure), Principal: over.Principal, Need: over.Need, Used: over.Used,
			Amount: over.Amount, Currency: over.Currency, Reset: over.Reset, Downgrade: over.Downgrade, Waited: over.Waited}, nil
	}
	return reservation{held}, nil, nil
}

// unaccountable is what is wrong with a call.
type unaccountable struct{ error }

func (unaccountable) Is(target error) bool { return target == proxy.ErrUnaccountable }

// reservation is one of the ledger as the proxy knows it.
type reservation struct{ *ledger.Reservation }

// Settle charges the call. What several backends took is one fact, of the price that it comes to.
func (r reservation) Settle(parts ...proxy.Used) {
	var all ledger.Usage
	var price ledger.Price
	for _, u := range parts {
		took := ledger.Usage{Input: u.Input, Cached: u.Cached, Output: u.Output}
		all.Input, all.Cached, all.Output = all.Input+took.Input, all.Cached+took.Cached, all.Output+took.Output
		switch {
		case u.Price == nil:
		case len(parts) == 1:
			price = priceOf(u.Price)
		default:
			p := priceOf(u.Price)
			if price.PerCall += p.Cost(took); price.PerCall < 0 {
				price.PerCall = math.MaxInt64
			}
		}
	}
	r.Reservation.Settle(all, &price)
}

// Left is what the tightest limits have left.
func (r reservation) Left() (tokens, requests proxy.Left) {
	t, n := r.Reservation.Left()
	return proxy.Left(t), proxy.Left(n)
}

func priceOf(p *proxy.Price) ledger.Price {
	return ledger.Price{InputPerMillion: ledger.Nano(p.InputPerMillion), CachedPerMillion: ledger.Nano(p.CachedPerMillion),
		OutputPerMillion: ledger.Nano(p.OutputPerMillion), PerCall: ledger.Nano(p.PerCall)}
}
