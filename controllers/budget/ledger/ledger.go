package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
//
// Callers queue up; the first of them leads: it takes the lock of the log, reads what others wrote, decides and writes for all that queued up meanwhile, and
// hands over to the first of those that came since. So nothing waits for a goroutine in the background.
type Ledger struct {
	options Options
	gen     *generation
	disk    disk

	mu      sync.Mutex // of what follows
	queue   []*op
	spare   []*op
	leading bool
	closed  bool

	leader // of whoever leads
}

// Errors of a ledger.
var (
	// ErrNotConfigured is what Reserve gives before the first Configure.
	ErrNotConfigured = errors.New("the budgets are not known yet")
	// ErrCall is what Reserve gives where it is the call that is wrong, not the ledger.
	ErrCall = errors.New("the call is out of bounds")
	// ErrClosed is what is given after Close.
	ErrClosed = errors.New("the ledger is closed")
)

// Open opens the log for a gate: it reads what is there, takes a generation, and charges what dead generations left open. It fails where the log
// is damaged other than at its very end, or was written by a newer version, and says what to do.
func Open(o Options) (*Ledger, error) {
	l := &Ledger{options: o, disk: disk{sync: fdatasync}}
	if l.options.Clock == nil {
		l.options.Clock = hostClock{}
	}
	if l.options.SegmentBytes <= 0 {
		l.options.SegmentBytes = 16 << 20
	}
	if l.options.Log.GetSink() == nil {
		l.options.Log = logr.Discard()
	}
	l.leader.begin(l)
	err := l.log.begin()
	if err == nil {
		err = l.firstTurn()
		l.log.release()
	}
	if err != nil {
		l.log.close()
		return nil, fmt.Errorf("cannot open the ledger in %s: %w", o.Dir, err)
	}
	return l, nil
}

// begin makes the directory and the log where they are missing, reads it, and leaves the lock held.
func (g *logFiles) begin() error {
	if err := os.MkdirAll(filepath.Join(g.dir, generationsDir), 0o700); err != nil {
		return err
	}
	if err := g.openLock(); err != nil {
		return err
	}
	if err := g.load(); err != nil { // most of it while others go on
		return err
	}
	if err := g.hold(); err != nil {
		return err
	}
	err := g.latest()
	if err != nil {
		g.release()
	}
	return err
}

// latest brings the book up to the end of the log, whose lock is held.
func (g *logFiles) latest() error {
	if g.tail == nil { // somebody may have begun it since
		if err := g.load(); err != nil || g.tail != nil {
			return err
		}
		if err := writeWhole(filepath.Join(g.dir, fileName(1, logExt)), header(magicLog, 1)); err != nil {
			return err
		}
		return g.load()
	}
	_, err := g.catchUp()
	if errors.Is(err, errBehind) {
		return g.load()
	}
	return err
}

// firstTurn writes what begins a generation and ends dead ones. The lock is held.
func (l *Ledger) firstTurn() error {
	b := l.log.book
	fresh := l.clock.set(b)
	var err error
	if l.gen, err = takeGeneration(l.options.Dir, b.lastGen); err != nil {
		return err
	}
	if fresh {
		l.late = append(l.late, record{kind: recBoot, text: l.clock.BootID(), number: l.clock.offset})
	}
	l.late = append(l.late, record{kind: recGen, id: callID{gen: l.gen.number}})
	l.buryDead()
	alone := true
	for _, n := range generations(l.options.Dir) {
		switch {
		case n == l.gen.number:
		case alive(l.options.Dir, n):
			alone = false
		case b.openOf[n] == 0: // it left nothing open
			forgetGeneration(l.options.Dir, n)
		}
	}
	if alone { // nobody else compacts
		l.log.sweep()
	}
	if err := l.flush(); err != nil {
		l.gen.leave(l.options.Dir, true)
		return err
	}
	return nil
}

// Configure sets what calls are held to from now on. What a budget had used is known at once; a budget that did not change keeps its
// count. It fails, and changes nothing, where a time zone is not known on this host. While the log cannot be written, no call goes on, and the first
// that does is held to the new config.
func (l *Ledger) Configure(c Config) error {
	a, err := compile(c)
	if err != nil {
		return fmt.Errorf("cannot use the budgets: %w", err)
	}
	o := &op{accounts: a, done: make(chan error, 1)}
	if err := l.submit(o); err != nil {
		return err
	}
	return <-o.done
}

// Close writes what is to be written and gives the generation back. Reservations that are open then are charged in full by whoever opens
// or needs their room next. Calls that wait get ErrClosed; ends of reservations do nothing any more.
func (l *Ledger) Close() error {
	o := &op{closing: true, done: make(chan error, 1)}
	if err := l.submit(o); err != nil {
		return nil // it is closed
	}
	err := <-o.done
	l.compacting.Wait()
	l.gen.leave(l.options.Dir, l.log.book.openOf[l.gen.number] == 0)
	l.log.close()
	return err
}

// leave gives the generation back, and its file where nothing is left of it.
func (g *generation) leave(dir string, clean bool) {
	if clean {
		forgetGeneration(dir, g.number)
	}
	g.file.Close()
}

// Reserve sets aside what a call may take at most, in each budget that it falls under, and in all budgets above those. It gives a reservation, or
// what the call does not fit into, or an error, and then nothing is known and the call must be refused. Where each limit that it does not fit
// into says Queue, it waits for room, at most as long as they say and ctx lasts; who waits for a limit is served in turn.
// The reservation is in the log, not yet on the disk: see Commit.
func (l *Ledger) Reserve(ctx context.Context, r *Request) (*Reservation, *Exceeded, error) {
	c, err := newCall(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCall, err)
	}
	a := &ask{call: c, answers: make(chan answer, 2)}
	if err := l.submit(&op{ask: a}); err != nil {
		return nil, nil, err
	}
	for {
		got := <-a.answers
		switch {
		case got.lead:
			l.lead()
			continue
		case got.wait <= 0:
			return got.reservation, got.exceeded, got.err
		}
		timer := time.NewTimer(got.wait)
		select {
		case got = <-a.answers:
		case <-timer.C:
			got = l.giveUp(a)
		case <-ctx.Done():
			if got = l.giveUp(a); got.reservation != nil {
				got.reservation.Cancel()
			}
			got = answer{err: ctx.Err()}
		}
		timer.Stop()
		return got.reservation, got.exceeded, got.err
	}
}

// giveUp waiting; the answer may have come meanwhile.
func (l *Ledger) giveUp(a *ask) answer {
	if err := l.submit(&op{ask: a, leaves: true}); err != nil {
		return <-a.answers // whoever closed the ledger has answered
	}
	return <-a.answers
}
