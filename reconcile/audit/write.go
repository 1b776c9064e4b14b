package audit

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"time"
)

// maxWaiting bounds what waits to be written before Post blocks.
const maxWaiting = 8 << 20

// batch are records that are written at once.
type batch struct {
	body    []byte
	records []waiting
	// posted: since when the first of those waits that nobody waits for; durable: somebody waits for the disk, and so do all with him.
	posted  time.Time
	durable bool
	// done is closed when err says what became of all of them.
	done chan struct{}
	err  error
}

// waiting is one record: its body ends at end.
type waiting struct {
	at  time.Time
	end int
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// again makes an empty batch with the memory of one that is written, unless that was unusually large.
func (b *batch) again() *batch {
	n := newBatch()
	if cap(b.body) <= 1<<20 {
		n.body, n.records = b.body[:0], b.records[:0]
	}
	b.body, b.records = nil, nil
	return n
}

// postPatience is how long a posted record waits for company.
const postPatience = 5 * time.Millisecond

var (
	errClosed = errors.New("cannot record: the audit log is closed")
	scratch   = sync.Pool{New: func() any { return new([]byte) }}
)

// how a record is written.
type how struct {
	post    bool // nobody waits
	durable bool // who waits waits for the disk
}

// Write appends a record and returns when it is in the file, with durable when it is on the disk. See Writer.
func (l *Log) Write(r *Record, durable bool) error {
	b, err := l.encode(r, how{durable: durable})
	if err != nil {
		return err
	}
	return l.see(b)
}

// Post appends a record without waiting for it. See Writer.
func (l *Log) Post(r *Record) {
	if _, err := l.encode(r, how{post: true}); err != nil && err != errClosed {
		l.fail(err)
	}
}

func (l *Log) encode(r *Record, h how) (*batch, error) {
	at := r.Time.UTC().Round(0)
	if r.Time.IsZero() {
		at = l.now()
	}
	buf := scratch.Get().(*[]byte)
	*buf = appendBody((*buf)[:0], r)
	defer func() {
		if cap(*buf) <= 1<<20 {
			scratch.Put(buf)
		}
	}()
	if err := errors.Join(checkRecord(r, len(*buf)), checkTime(at)); err != nil {
		return nil, err
	}
	return l.add(at, *buf, h)
}

// add puts a record into the batch that is written next. Who waits for it calls see.
func (l *Log) add(at time.Time, body []byte, h how) (*batch, error) {
	l.mu.Lock()
	for h.post && len(l.next.body) > maxWaiting && !l.closed {
		full := l.next
		l.mu.Unlock()
		_ = l.see(full)
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if err := l.failed; err != nil && !h.post {
		l.failed = nil
		return nil, err
	}
	b := l.next
	b.body = append(b.body, body...)
	b.records = append(b.records, waiting{at, len(b.body)})
	if b.durable = b.durable || h.durable; h.post && b.posted.IsZero() {
		b.posted = time.Now()
		if !l.posted { // it goes along with the next Write; where none comes, by itself
			l.posted = true
			l.flush.Reset(postPatience)
		}
	}
	return b, nil
}

// see answers what became of a batch. Who finds that nobody writes does it himself, at once and for all that wait; whoever comes meanwhile is
// in the batch after that, and the first of those writes it.
func (l *Log) see(b *batch) error {
	select {
	case l.turn <- struct{}{}:
	default:
		select {
		case l.turn <- struct{}{}:
			runtime.Gosched() // those whom the last batch has just woken come along in this one
		case <-b.done:
			return b.err
		}
	}
	defer l.leave()
	select {
	case <-b.done: // in the turn before this one
	default:
		l.commit()
	}
	return b.err
}

// leave gives the turn to the next one.
func (l *Log) leave() { <-l.turn }

// enter takes the turn. It is false when the log has ended.
func (l *Log) enter() bool {
	select {
	case l.turn <- struct{}{}:
		return true
	case <-l.ended:
		return false
	}
}

// fail keeps an error that nobody waits for, for the next Write.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
}

// flushed is called by the timer of posted records: it writes those with which no Write came.
func (l *Log) flushed() {
	if !l.enter() {
		return
	}
	defer l.leave()
	l.mu.Lock()
	since := l.next.posted
	wait := postPatience - time.Since(since)
	if l.posted = !since.IsZero() && wait > 0; l.posted {
		l.flush.Reset(wait) // the one that the timer was set for has gone along
	}
	l.mu.Unlock()
	if !since.IsZero() && wait <= 0 {
		l.commit()
	}
}

// signs is called by the timer of signatures.
func (l *Log) signs() {
	if !l.enter() {
		return
	}
	defer l.leave()
	if err := l.sign(); err != nil {
		l.signing.Reset(signEvery) // the record is there; its signature comes when there is room
	}
}

// take answers what waits and leaves an empty batch in its place.
func (l *Log) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.next
	l.next, l.spare = l.spare, nil
	return b
}

// commit writes what waits and tells who waits for it. It needs the turn, as all below does.
func (l *Log) commit() {
	if l.spare == nil {
		l.spare = newBatch()
	}
	l.rotate()
	b := l.take()
	c := l.chain
	unsigned := !c.unsigned.IsZero()
	b.err = c.put(b.durable, func() {
		start := 0
		for _, r := range b.records {
			c.line(r.at, b.body[start:r.end])
			start = r.end
		}
	})
	if b.err != nil && !b.posted.IsZero() {
		l.fail(b.err)
	}
	if b.err == nil && !unsigned {
		l.signing.Reset(signEvery)
	}
	l.spare = b.again()
	close(b.done)
}

// sign writes a checkpoint.
func (l *Log) sign() error {
	c := l.chain
	if c.unsigned.IsZero() {
		return nil
	}
	err := c.put(false, func() { c.checkpoint(l.now()) })
	if err == nil {
		l.signed()
	}
	return err
}

// signed hands the head to the keeper, who makes the chain durable up to it first.
func (l *Log) signed() {
	c := l.chain
	l.mu.Lock()
	l.head = headOf(c)
	l.mu.Unlock()
	l.keeper.put(keep{head: c.head, file: c.file, number: c.number})
}

// rotate begins the next file when this one is full. Where that fails, the old one grows a little more first.
func (l *Log) rotate() {
	c := l.chain
	limit, retain := l.fileLimit()
	old := l.now().Sub(c.begun) > retain/8
	if c.size < c.patience || c.size < limit && !old {
		return
	}
	var before *os.File
	err := l.sign() // each file can be verified alone
	if err == nil {
		before, err = c.next(l.now(), func() { c.checkpoint(l.now()) })
	}
	if err != nil {
		c.patience = c.size + 1<<20
		return
	}
	c.patience = 0
	l.keeper.put(keep{done: before, retain: true})
	l.signed()
}

// finish writes what waits, signs the end of the chain and waits for the disk.
func (l *Log) finish() error {
	l.flush.Stop()
	l.signing.Stop()
	if l.mu.Lock(); len(l.next.records) > 0 {
		l.mu.Unlock()
		l.commit()
	} else {
		l.mu.Unlock()
	}
	err := l.sign()
	l.keeper.put(keep{end: true})
	return errors.Join(err, l.keeper.wait(), l.chain.file.Close())
}
