package logs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Read passes the lines of a log to line, oldest first, each with its newline. A line longer than 1 MiB comes in pieces, of
// which only the last one ends in a newline; a last line without one is passed as it is when reading ends, and while following
// not before it is complete. The bytes are valid until line returns; its error ends the reading. The lines read are those there
// at the call, and with Follow those that come.
func (l *Logs) Read(ctx context.Context, id string, o ReadOptions, line func([]byte) error) error {
	o.Follow = o.Follow && !o.Previous
	return l.read(ctx, id, o, false, line)
}

// Tail is the last n lines of the current run, without newlines, each cut to 4 KiB of valid UTF-8; nothing when there is no log.
func (l *Logs) Tail(id string, n int) []string {
	const most = 4 << 10
	var out []string
	begun := false // out's last one is a line whose newline has not come
	if n <= 0 {
		return nil
	}
	_ = l.read(context.Background(), id, ReadOptions{Tail: n}, true, func(b []byte) error {
		text, whole := strings.CutSuffix(string(b[:min(len(b), most+1)]), "\n")
		whole = whole || b[len(b)-1] == '\n'
		if !begun {
			text = strings.TrimSuffix(text, "\r")
			out = append(out, strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD"))
		}
		begun = !whole
		return nil
	})
	return out
}

func (l *Logs) read(ctx context.Context, id string, o ReadOptions, currentRun bool, line func([]byte) error) error {
	r, err := l.reader(id, o, line)
	if err != nil {
		return fmt.Errorf("cannot read log %q: %w", id, err)
	}
	defer r.close()
	from, to, err := r.span(o, currentRun)
	if err != nil {
		return fmt.Errorf("cannot read log %q: %w", id, err)
	}
	r.begin(from, to)
	if o.Begin != nil {
		o.Begin(from)
	}
	if err := r.copy(ctx, to); err != nil {
		return err
	}
	if !o.Follow {
		return r.flush(false)
	}
	return r.follow(ctx)
}

// reader opens a log for reading.
func (l *Logs) reader(id string, o ReadOptions, line func([]byte) error) (*reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.track(id)
	if err != nil {
		return nil, err
	}
	is, err := stat(t.fd)
	if err != nil {
		l.release(t)
		return nil, err
	}
	fd, err := dup(t.fd)
	if err != nil {
		l.release(t)
		return nil, err
	}
	t.refs++
	if o.Follow && !t.watched && hasWriter(t.fd) {
		t.watched = true
		l.heat(t, time.Now())
	}
	size := is.size
	if t.watched { // one more look, so that each line has its time
		l.look(t)
		size = t.size
	}
	r := &reader{l: l, t: t, end: size, fd: fd, gen: t.gen, runs: t.runs, line: line, timestamps: o.Timestamps, linger: l.o.Linger}
	if o.Linger > 0 {
		r.linger = o.Linger
	}
	r.marks, err = l.marks(id).load()
	if err == nil && (o.Timestamps || !o.Since.IsZero()) {
		r.stamps, err = l.index(id).all()
	}
	if err != nil { // the lines matter more
		l.o.Log.V(1).Info("reading a log without its index", "log", id, "reason", err.Error())
	}
	return r, nil
}

func (r *reader) close() {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	_ = unix.Close(r.fd)
	r.t.refs--
	if !r.t.gone {
		r.l.cooled(r.t)
		r.l.release(r.t)
	}
}

// span finds the first and the last byte to read.
func (r *reader) span(o ReadOptions, currentRun bool) (from, to int64, err error) {
	from, to = r.start(), r.end
	n := len(r.marks)
	switch {
	case o.Previous && n < 2:
		return 0, 0, ErrNoPrevious
	case o.Previous:
		from, to = max(from, r.marks[n-2].off), r.marks[n-1].off
	case currentRun && n > 0:
		from = max(from, r.marks[n-1].off)
	}
	to = min(to, r.end)
	if o.From > 0 {
		if o.From <= to {
			from = r.lineStart(from, max(from, o.From), 1)
		}
		return from, to, nil
	}
	if !o.Since.IsZero() {
		if off := offsetSince(r.stamps, o.Since); off > from {
			from = r.lineStart(from, min(off, to), 1)
		}
	}
	switch {
	case o.New:
		from = r.lineStart(from, to, 1)
	case o.Tail > 0:
		n := o.Tail
		if !o.Follow && !r.endsLine(from, to) {
			n-- // the last line counts although it is not complete
		}
		from = r.lineStart(from, to, n+1)
	}
	return from, to, nil
}

// begin puts the reader at from. A window that begins in the middle of a line starts at the next one; when it is all one line,
// it starts in it.
func (r *reader) begin(from, to int64) {
	r.pos = from
	r.skip = from > 0 && from == r.start() && !r.isMark(from) && r.hasNewline(from, to)
	r.next = 0
	for r.next < len(r.marks) && r.marks[r.next].off <= from {
		r.next++
	}
}

func (r *reader) isMark(off int64) bool {
	for _, m := range r.marks {
		if m.off == off {
			return true
		}
	}
	return false
}

// start is where the window starts now.
func (r *reader) start() int64 {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.windowStart()
}

// windowStart is start with l.mu held. When the file was replaced, the one that is being read keeps what it has.
func (r *reader) windowStart() int64 {
	if r.gen != r.t.gen {
		return 0
	}
	return r.t.start
}
