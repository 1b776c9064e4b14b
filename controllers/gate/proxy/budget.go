package proxy

import (
	"context"
	"errors"
	"time"
)

// ErrUnaccountable is what a Ledger says of a call that it cannot take whatever the budgets are. What is said besides is told to the caller.
var ErrUnaccountable = errors.New("unaccountable")

// Ledger holds calls to the budgets. It is safe for many callers.
type Ledger interface {
	// Reserve sets aside what a call may take at most, in each budget that it falls under, or in none. It waits where a budget lets it, at most
	// as long as that budget says and ctx lasts. What it gives is not on the disk before Commit. An error means that nothing is known of the
	// budgets: the call is refused.
	Reserve(ctx context.Context, a *Ask) (Reservation, *Exceeded, error)
}

// Reservation is what was set aside for one call. Exactly one of Settle and Cancel ends it; a further one does nothing.
type Reservation interface {
	// Held tells that a budget holds for the call. Where none does the call is written down alone, and goes on as it came.
	Held() bool
	// Output is how many output tokens each choice may have: what was asked for, or what the budgets have left.
	Output() int64
	// Commit returns when the reservation is in the file, or with durable on the disk. On an error it is undone.
	Commit(durable bool) error
	// Settle replaces what was set aside by what the call took: one part for each backend that did something, one at least. It does not wait for the
	// disk.
	Settle(parts ...Used)
	// Cancel gives everything back: the call took nothing.
	Cancel()
	// Left is what the tightest limits of tokens and of requests have left with this reservation.
	Left() (tokens, requests Left)
}

// Ask is a call that wants to go on.
type Ask struct {
	Request                       string // its id
	Principal, Gate, Route, Model string
	// Input tokens that it has at most. Output tokens that each choice wants at most, and the fewest that are of use; Choices are at least 1.
	Input, Output, MinOutput, Choices int64
	// Prices of the backends that may be called; the dearest counts.
	Prices []*Price
}

// Used is what a call took.
type Used struct {
	Input, Cached, Output int64
	// Price of the backend that answered; nil is free.
	Price *Price
}

// Left is what a limit has left, and how long until it has all of it again; Reset is negative when that is never. Known is false where there is
// no such limit.
type Left struct {
	Known            bool
	Limit, Remaining int64
	Reset            time.Duration
}

// Exceeded is why a call does not fit.
type Exceeded struct {
	Budget, Limit, Measure string
	// Principal whose account it is; empty for a shared one.
	Principal string
	// Need of the call, Used (with what is reserved) and Amount of the limit, in its measure; money in billionths.
	Need, Used, Amount int64
	Currency           string
	// Reset is how long until the call would fit if nothing else came: zero when calls under way may end at any time, negative when never.
	Reset time.Duration
	// Downgrade names the route that the call may take instead; empty for none.
	Downgrade string
	// Waited tells that it waited as long as it may.
	Waited bool
}

// Price is what a backend takes, in billionths of a currency.
type Price struct {
	InputPerMillion  int64 `json:"inputPerMillion,omitempty"`
	CachedPerMillion int64 `json:"cachedPerMillion,omitempty"`
	OutputPerMillion int64 `json:"outputPerMillion,omitempty"`
	PerCall          int64 `json:"perCall,omitempty"`
}
