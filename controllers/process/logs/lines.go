package logs

import (
	"bytes"
	"context"
	"time"
)

// reader passes one log on, line by line.
type reader struct {
	l      *Logs
	t      *tracked
	fd     int
	gen    int // of the file behind fd
	runs   int // marks known
	linger time.Duration
	// modified is when the log was written last as its file has it, and quiet what quietSince made of it.
	modified, quiet time.Time

	end   int64 // of the log when reading began
	pos   int64 // next byte to read
	marks []mark
	next  int // the first mark behind pos

	block   []byte // last read
	pending []byte // of a line that is not complete
	begun   bool   // pieces of that line were passed already
	from    int64  // where that line begins
	skip    bool   // pass over what comes before the next newline
	zeros   bool   // pass over NULs: a hole came before

	stamps     []stamp
	timestamps bool
	scratch    []byte
	line       func([]byte) error
}

// copy passes on what is there up to an offset. The lines of a run end with it.
func (r *reader) copy(ctx context.Context, to int64) error {
	for r.pos < to || r.next < len(r.marks) && r.marks[r.next].off <= r.pos {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := to
		if r.next < len(r.marks) {
			end = min(end, r.marks[r.next].off)
		}
		if r.pos >= end { // a run begins here, or further up
			if r.pos == end {
				r.skip, r.zeros = false, false
			}
			r.next++
			if err := r.flush(true); err != nil {
				return err
			}
			continue
		}
		at, b, err := r.read(end)
		if err != nil {
			return err
		}
		if err := r.feed(at, b); err != nil {
			return err
		}
	}
	return nil
}

// feed takes bytes that stand at an offset.
func (r *reader) feed(at int64, b []byte) error {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		piece := b
		if n > 0 {
			piece = b[:n]
		}
		var err error
		switch {
		case r.skip:
			r.skip = n == 0
		case n > 0 && len(r.pending) == 0:
			err = r.pass(at, piece, true)
		default:
			if len(r.pending) == 0 && !r.begun {
				r.from = at
			}
			r.pending = append(r.pending, piece...)
			if n > 0 || len(r.pending) >= pieceSize {
				err = r.pass(r.from, r.pending, n > 0)
				r.pending = r.pending[:0]
			}
		}
		if err != nil {
			return err
		}
		at += int64(len(piece))
		b = b[len(piece):]
	}
	return nil
}

// flush passes on a line that is not complete, with a newline when something comes after it.
func (r *reader) flush(newline bool) error {
	if len(r.pending) == 0 && !r.begun {
		return nil
	}
	if newline {
		r.pending = append(r.pending, '\n')
	}
	b := r.pending
	r.pending = nil
	if len(b) == 0 {
		r.begun = false
		return nil
	}
	return r.pass(r.from, b, true)
}

// pass hands a line, or a piece of one, to the caller.
func (r *reader) pass(at int64, b []byte, last bool) error {
	first := !r.begun
	r.begun = !last
	if r.timestamps && first {
		r.scratch = r.timeAt(at).UTC().AppendFormat(r.scratch[:0], stampFormat)
		r.scratch = append(append(r.scratch, ' '), b...)
		b = r.scratch
	}
	return r.line(b)
}

// stampFormat is RFC 3339 with all nine digits, so that columns align.
const stampFormat = "2006-01-02T15:04:05.000000000Z07:00"

// timeAt is when the byte at an offset was seen: by the index, else by the file's last change.
func (r *reader) timeAt(off int64) time.Time {
	if at, ok := timeOf(r.stamps, off); ok {
		return at
	}
	r.l.mu.Lock()
	prev, last, same := r.t.prev, r.t.last, r.gen == r.t.gen
	r.l.mu.Unlock()
	if same && off < last.off {
		if off < prev.off || len(r.stamps) > 1<<17 {
			if all, err := r.l.index(r.t.id).all(); err == nil {
				r.stamps = all
			}
		}
		if at, ok := timeOf(r.stamps, off); ok {
			return at
		}
		r.stamps = append(r.stamps, last)
		return last.time()
	}
	if is, err := stat(r.fd); err == nil {
		return is.modified
	}
	return r.l.o.Now()
}
