package ledger

import (
	"os"
	"time"
)

// CalendarPeriod is calendarPeriod, to be tried in many zones.
func CalendarPeriod(unit Calendar, t time.Time) (start, end time.Time) {
	return calendarPeriod(unit, t)
}

// Decode a payload, and encode it again.
func Decode(payload []byte) ([]byte, error) {
	var r record
	if err := r.decode(payload); err != nil {
		return nil, err
	}
	var e encoder
	r.encode(&e)
	return e, nil
}

// DecodeBook reads the content of a book file, and makes it again.
func DecodeBook(content []byte, number uint64) ([]byte, error) {
	if err := checkHeader("a book", magicBook, number, content, restoreBook); err != nil {
		return nil, err
	}
	b, _, err := decodeBook(content, number)
	if err != nil {
		return nil, err
	}
	return b.encode(number), nil
}

// Drop leaves a ledger as the death of its process would: nothing is written, the locks are free.
func (l *Ledger) Drop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.timer.Stop()
	l.compacting.Wait()
	l.gen.file.Close()
	l.log.close()
}

// Fdatasync is the floor of what is durable.
var Fdatasync = fdatasync

// FailSync has the disk refuse what was written, until it is called with nil.
func (l *Ledger) FailSync(err error) {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if l.disk.sync = fdatasync; err != nil {
		l.disk.sync = func(*os.File) error { return err }
	}
}

// Waiting is how many calls wait for room.
func (l *Ledger) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leading { // and changes them
		return -1
	}
	return len(l.waiters)
}

// SyncWith has the disk make files durable by f from now on.
func (l *Ledger) SyncWith(f func(*os.File) error) { l.disk.sync = f }

// SetClock of a reader, which else goes by that of the host.
func (r *Reader) SetClock(c Clock) { r.clock = c }

// Compact begins a new file, as a large one would.
func (l *Ledger) Compact() error {
	l.mu.Lock()
	l.compactAt = 0
	l.mu.Unlock()
	err := l.submit(&op{})
	l.compacting.Wait()
	return err
}

// Bench decides and applies in memory alone: a call that is reserved and settled each time it is called.
func Bench(c Config, r *Request) (once func(), err error) {
	a, err := compile(c)
	if err != nil {
		return nil, err
	}
	call, err := newCall(r)
	if err != nil {
		return nil, err
	}
	b := newBook()
	b.configure(a)
	k := b.addKey(call.keyName)
	n := uint64(0)
	return func() {
		n++
		b.now = moment{int64(n) * 1000, int64(n) * 1000}
		d := b.decide(call, k.accounts, true)
		if !d.fits {
			panic("it does not fit")
		}
		id := callID{1, n}
		b.reserve(id, &hold{k, call.most(d.output), call.id})
		h := b.open[id]
		b.release(id, h)
		b.spend(k, Amounts{call.input, d.output, 1, 1})
	}, nil
}
