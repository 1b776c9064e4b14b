package ledger

import (
	"fmt"
	"sync"
	"time"
)

// Reader reads a log that others write. It changes nothing and needs no right to write. It is safe for many callers.
type Reader struct {
	mu    sync.Mutex // of all
	g     logFiles
	clock Clock
	told  time.Time // when the last report was of
}

// OpenReader reads the log in dir. A directory that is missing or empty is a log without facts.
func OpenReader(dir string) (*Reader, error) {
	r := &Reader{clock: hostClock{}, g: logFiles{dir: dir, book: newBook(), told: func(string, ...any) {}}}
	if _, err := r.Refresh(); err != nil {
		r.g.close()
		return nil, err
	}
	return r, nil
}

// Refresh reads what was written since. Moved tells whether there was anything.
func (r *Reader) Refresh() (moved bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if moved, err = r.g.follow(); err != nil {
		return moved, fmt.Errorf("cannot read the ledger in %s: %w", r.g.dir, err)
	}
	return moved, nil
}

// follow reads what was written since, or all when there was nothing yet or the log went on without us.
func (g *logFiles) follow() (moved bool, err error) {
	if g.lock == nil {
		if err := g.openLock(); err != nil {
			if notExist(err) {
				return false, nil
			}
			return false, err
		}
	}
	if g.tail != nil {
		if moved, err = g.catchUp(); err != errBehind {
			return moved, err
		}
	}
	err = g.load()
	return g.tail != nil, err
}

// Close gives back what the reader holds.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.g.close()
	r.g.lock, r.g.tail = nil, nil
	return nil
}

// present is the book with the accounts of a config, at a time of the wall clock. Back takes the time back to that of the log.
func (r *Reader) present(c Config, now time.Time) (b *book, back func(), err error) {
	b = r.g.book
	known := b.accounts != nil && c.Number != 0 && b.accounts.config.Number == c.Number && !b.stale
	if now.Before(r.told) { // what left its windows since is in them again
		b.accounts, known = nil, false
	}
	r.told = now
	before := b.now
	at := moment{ledger: before.ledger + max(0, now.UnixNano()-before.wall), wall: now.UnixNano()}
	if b.boot != "" && r.clock.BootID() == b.boot { // else the host booted anew, and no gate ran since
		at.ledger = max(before.ledger, b.bootOffset+int64(r.clock.Boot()))
	}
	b.now = at
	back = func() { b.now = before }
	if !known {
		a, err := compile(c)
		if err != nil {
			back()
			return nil, nil, fmt.Errorf("cannot use the budgets: %w", err)
		}
		b.configure(a)
	}
	return b, back, nil
}
