package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
)

// Options of a ledger.
type Options struct {
	// Dir of the log. It is made where it is missing, for its owner alone.
	Dir string
	// Clock; nil is that of the host.
	Clock Clock
	// Log tells what the ledger does by itself: what it cut, charged, compacted. The zero value is silent.
	Log logr.Logger
	// SegmentBytes that a segment has at least before the log is compacted. Default 16 MiB.
	SegmentBytes int64
}

// Ledger holds calls to budgets. It is safe for many callers, and for several processes on one directory.
type Ledger struct{}

// ErrNotConfigured is what Reserve gives before the first Configure.
var ErrNotConfigured = errors.New("the budgets are not known yet")

// Open opens the log for a gate: it reads what is there, takes a generation, and charges what dead generations left open. It fails where the log
// is damaged other than at its very end, or was written by a newer version, and says what to do.
func Open(o Options) (*Ledger, error) { return nil, errors.New("not built yet") }

// Configure sets what calls are held to from now on. What a budget had used is known at once; a budget that did not change keeps its
// count. It fails, and changes nothing, where a time zone is not known on this host.
func (l *Ledger) Configure(c Config) error { return errors.New("not built yet") }

// Reserve sets aside what a call may take at most, in each budget that it falls under, and in all budgets above those. It gives a reservation, or
// what the call does not fit into, or an error, and then nothing is known and the call must be refused. Where each limit that it does not fit
// into says Queue, it waits for room, at most as long as they say and ctx lasts; who waits for a limit is served in turn.
// The reservation is in the log, not yet on the disk: see Commit.
func (l *Ledger) Reserve(ctx context.Context, r *Request) (*Reservation, *Exceeded, error) {
	return nil, nil, errors.New("not built yet")
}

// Close writes what is to be written and gives the generation back. Reservations that are open then are charged in full by whoever opens
// or needs their room next. Nothing may be called during and after it, but that ends of reservations do nothing.
func (l *Ledger) Close() error { return nil }

// Reset makes a budget forget what was used, for all its accounts: a fact in the log, which running ledgers heed with their next decision.
// It is on the disk when Reset returns. What calls under way take counts after it. A nil clock is that of the host.
func Reset(dir, budget, reason string, clock Clock) error { return errors.New("not built yet") }

// Clock tells the times that a ledger goes by.
type Clock interface {
	// Wall is the time of the calendar. It may jump.
	Wall() time.Time
	// Boot is the time since the boot that BootID names, with time asleep.
	Boot() time.Duration
	// BootID is the same as long as Boot goes on, for all processes that see the same one.
	BootID() string
}
