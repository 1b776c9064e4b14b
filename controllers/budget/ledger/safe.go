package ledger

import (
	"fmt"
	"runtime/debug"
	"time"
)

// safeTurn is a turn that answers all who wait for it, also when it panics: a fault in it must not leave the callers of this process waiting for good. What
// the book says then is not believed any more: it is read anew from the log.
func (l *Ledger) safeTurn(batch []*op) (closing func()) {
	was := l.log.book.accounts
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("the ledger failed, see the log of the gate: %v", p)
			l.options.Log.Error(err, "a turn of the ledger panicked; all who waited for it are refused", "stack", string(debug.Stack()))
			closing = l.fell(batch, was, err)
		}
	}()
	return l.turn(batch)
}

// fell answers all after a panic. No reservation of the turn counts: its caller does not know of it, and the next turn cancels it.
func (d *leader) fell(batch []*op, was *accounts, err error) (closing func()) {
	if d.log.held {
		d.log.release()
	}
	for _, n := range d.given {
		delete(d.own, n)
	}
	if d.log.book.accounts = was; was != nil {
		d.log.book.accounts, d.log.book.stale = &accounts{config: was.config}, true
	}
	d.ahead, d.moved = true, true
	asks := d.waiters
	for _, o := range batch {
		switch {
		case o.ask != nil:
			asks = append(asks, o.ask)
		case o.closing:
			closing = func() { o.done <- err }
		case o.done != nil:
			o.done <- err
		}
	}
	d.waiters, d.blocked = nil, d.blocked[:0]
	d.told()
	for _, a := range asks {
		select {
		case a.answers <- answer{err: unaccounted(err)}:
		default: // it was answered twice already: it gave up and failed
		}
	}
	if closing == nil && len(d.late) > 0 {
		d.timer.Reset(time.Second)
	}
	return closing
}
