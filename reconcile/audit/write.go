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
	// posted and waited: some were posted, somebody waits for some. The disk is waited for only with the latter.
	posted, waited bool
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

// Write appends a record and returns when it is as durable as the log promises. See Writer.
func (l *Log) Write(r *Record) error {
	b, err := l.encode(r, false)
	if err != nil {
		return err
	}
	<-b.done
	return b.err
}

// Post appends a record without waiting for it. See Writer.
func (l *Log) Post(r *Record) {
	if _, err := l.encode(r, true); err != nil && err != errClosed {
		l.fail(err)
	}
}

func (l *Log) encode(r *Record, post bool) (*batch, error) {
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
	return l.add(at, *buf, post)
}

// add puts a record into the batch that is written next.
func (l *Log) add(at time.Time, body []byte, post bool) (*batch, error) {
	l.mu.Lock()
	for post && len(l.next.body) > maxWaiting && !l.closed {
		full := l.next
		l.mu.Unlock()
		<-full.done
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if err := l.failed; err != nil && !post {
		l.failed = nil
		return nil, err
	}
	b := l.next
	b.body = append(b.body, body...)
	b.records = append(b.records, waiting{at, len(b.body)})
	b.posted, b.waited = b.posted || post, b.waited || !post
	switch {
	case l.awake:
	case !post:
		l.awake = true
		l.poke()
	case !l.posted: // it goes along with the next Write; where none comes, by itself
		l.posted = true
		time.AfterFunc(postPatience, l.poke)
	}
	return b, nil
}

// poke wakes the writer.
func (l *Log) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
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

// run owns the chain: it writes what waits as one, and signs it a little later. At rest it does nothing.
func (l *Log) run(c *chain) {
	defer close(l.ended)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case <-l.wake:
			spare := newBatch()
			for b, sync := l.take(spare); b != nil; b, sync = l.take(spare) {
				l.commit(c, b, sync)
				spare = b.again()
			}
			if !c.unsigned.IsZero() {
				timer.Reset(max(0, signEvery-time.Since(c.unsigned)))
			}
		case <-timer.C:
			if err := l.sign(c); err != nil {
				timer.Reset(signEvery) // the record is there; its signature comes when there is room
			}
		}
		if l.finished() {
			l.last = l.finish(c)
			return
		}
	}
}

// take answers what waits, nil when nothing does, and leaves an empty batch in its place.
func (l *Log) take(empty *batch) (b *batch, sync bool) {
	runtime.Gosched() // those whom the last batch has just woken come along in this one
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.next.records) == 0 {
		l.awake = false
		return nil, false
	}
	b, l.next = l.next, empty
	l.posted = false
	return b, l.sync && b.waited
}

// finished tells that nothing comes any more.
func (l *Log) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.next.records) == 0
}

// commit writes a batch and tells who waits for it.
func (l *Log) commit(c *chain, b *batch, sync bool) {
	l.rotate(c)
	signs := !c.unsigned.IsZero() && time.Since(c.unsigned) >= signEvery
	b.err = c.put(sync, func() {
		start := 0
		for _, r := range b.records {
			c.line(r.at, b.body[start:r.end])
			start = r.end
		}
		if signs {
			c.checkpoint(l.now())
		}
	})
	if b.err != nil && b.posted {
		l.fail(b.err)
	}
	if b.err == nil && signs {
		l.signed(c)
	}
	close(b.done)
}

// sign writes a checkpoint.
func (l *Log) sign(c *chain) error {
	if c.unsigned.IsZero() {
		return nil
	}
	err := c.put(false, func() { c.checkpoint(l.now()) })
	if err == nil {
		l.signed(c)
	}
	return err
}

// signed hands the head to the keeper, who makes the chain durable up to it first.
func (l *Log) signed(c *chain) {
	l.mu.Lock()
	l.head = headOf(c)
	l.mu.Unlock()
	l.keeper.put(keep{head: c.head, file: c.file, number: c.number})
}

// rotate begins the next file when this one is full. Where that fails, the old one grows a little more first.
func (l *Log) rotate(c *chain) {
	limit := l.fileLimit()
	retain, _ := l.retention()
	old := l.now().Sub(c.begun) > retain/8
	if c.size < c.patience || c.size < limit && !old {
		return
	}
	var before *os.File
	err := l.sign(c) // each file can be verified alone
	if err == nil {
		before, err = c.next(l.now(), func() { c.checkpoint(l.now()) })
	}
	if err != nil {
		c.patience = c.size + 1<<20
		return
	}
	c.patience = 0
	l.keeper.put(keep{done: before, retain: true})
	l.signed(c)
}

// finish signs the end of the chain and waits for the disk.
func (l *Log) finish(c *chain) error {
	err := l.sign(c)
	l.keeper.put(keep{end: true})
	return errors.Join(err, l.keeper.wait(), c.file.Close())
}
