package logs

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// turn is what a follower does next: read up to an offset, go on with another file, wait, or end.
type turn struct {
	to     int64
	moved  bool            // the file was truncated or replaced
	marked bool            // a run begins where the last one ended
	wait   <-chan struct{} // something happened
	ended  bool            // nobody writes; the log is finished unless a run begins until then
	until  time.Time
	gone   bool // removed
}

// follow goes on where copy ended. It blocks.
func (r *reader) follow(ctx context.Context) error {
	for {
		n := r.turn()
		switch {
		case n.moved:
			if err := r.reopen(); err != nil {
				return err
			}
		case n.to > r.pos, n.marked:
			if err := r.copy(ctx, max(r.pos, n.to)); err != nil {
				return err
			}
		case n.gone, n.ended && !time.Now().Before(n.until):
			return r.flush(false)
		default:
			if err := n.pause(ctx); err != nil {
				return err
			}
		}
	}
}

// pause blocks until something happened, or until the log counts as finished.
func (n turn) pause(ctx context.Context) error {
	var over <-chan time.Time
	if n.ended {
		timer := time.NewTimer(time.Until(n.until))
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-n.wait:
	case <-over:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (r *reader) turn() turn {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	t := r.t
	is, err := stat(r.fd)
	n := turn{to: is.size, gone: t.gone || err != nil}
	if r.gen != t.gen && !n.gone {
		// Of a file that was replaced, all that is left comes first; a truncated one begins anew.
		n.moved = t.is.sameFile(is) || r.pos >= is.size
		return n
	}
	if t.watched && !n.gone {
		n.to = t.size // what the index knows already
	}
	if r.runs != t.runs {
		r.runs = t.runs
		if ms, err := r.l.marks(t.id).load(); err == nil {
			r.marks = ms
			r.seekMarks()
			n.marked = r.next < len(r.marks) && r.marks[r.next].off == r.pos
		}
	}
	if n.marked || n.to > r.pos || n.gone {
		return n
	}
	n.wait = t.waiting()
	if !t.attached && !hasWriter(r.fd) {
		n.ended = true
		if n.until = t.ended; n.until.IsZero() {
			n.until = r.quietSince(is.modified)
		}
		n.until = n.until.Add(r.linger)
	}
	return n
}

// quietSince is when a log that nobody saw end was written last; now, at the latest, by a clock that has been set back since.
func (r *reader) quietSince(modified time.Time) time.Time {
	if now := time.Now(); !r.modified.Equal(modified) {
		r.modified, r.quiet = modified, now.Add(-max(0, now.Round(0).Sub(modified)))
	}
	return r.quiet
}

// seekMarks finds the first run that begins at or behind pos and has not been begun.
func (r *reader) seekMarks() {
	r.next = 0
	for r.next < len(r.marks) && (r.marks[r.next].off < r.pos || r.marks[r.next].off == r.pos && len(r.pending) == 0 && !r.begun) {
		r.next++
	}
}

// reopen goes on with the file that the log is now, from its start.
func (r *reader) reopen() error {
	if err := r.flush(true); err != nil {
		return err
	}
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.t.gone {
		return nil
	}
	fd, err := dup(r.t.fd)
	if err != nil {
		return err
	}
	_ = unix.Close(r.fd)
	r.fd, r.gen, r.runs = fd, r.t.gen, r.t.runs
	r.pos, r.skip, r.zeros, r.stamps = r.t.start, false, false, nil
	r.marks, _ = r.l.marks(r.t.id).load()
	r.seekMarks()
	return nil
}
