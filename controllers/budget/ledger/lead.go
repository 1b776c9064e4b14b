package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// op is what a caller wants of the leader.
type op struct {
	ask      *ask
	leaves   bool      // the ask waits no longer
	fact     *record   // a reservation ends
	accounts *accounts // hold calls to these
	closing  bool
	done     chan error // of accounts and closing
}

// ask is a call that waits for an answer.
type ask struct {
	*call
	answers chan answer // two have room: none is waited for
	last    decision    // of one that waits
	until   int64       // when it waits no longer, by the ledger's clock
}

type answer struct {
	lead        bool // lead, then wait for the answer
	wait        time.Duration
	reservation *Reservation
	exceeded    *Exceeded
	err         error
}

// leader is the state of whoever leads.
type leader struct {
	l       *Ledger
	log     logFiles
	clock   timepiece
	base    int64 // place of the beginning of the file of log.tail
	counter uint64
	own     map[uint64]struct{} // reservations that are open for callers
	late    []record            // facts that are not written yet
	waiters []*ask              // in the order in which they came
	blocked []*counter
	timer   *time.Timer
	buf     []byte
	moved   bool // something happened that those who wait may profit from
	ahead   bool // the book knows what could not be written
	failed  error
	answers []func()
	given   []uint64 // reservations of this turn, whose callers do not know of them yet

	compactAt  int64
	compacting sync.WaitGroup
	easing     atomic.Bool // see ease
}

func (d *leader) begin(l *Ledger) {
	d.l, d.clock, d.own, d.compactAt = l, timepiece{Clock: l.options.Clock}, map[uint64]struct{}{}, l.options.SegmentBytes
	d.log = logFiles{dir: l.options.Dir, writing: true, told: func(what string, keys ...any) { l.options.Log.Info(what, keys...) }}
	d.log.switched = func(to *tail) {
		if t := d.log.tail; t != nil {
			d.base += t.off
		}
		d.base -= to.off
		l.disk.turn(to.f, d.base+to.off)
	}
	d.timer = time.AfterFunc(time.Hour, func() { _ = l.submit(&op{}) })
	d.timer.Stop()
}

// submit queues an op, and leads when nobody does.
func (l *Ledger) submit(o *op) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closed = o.closing
	l.queue = append(l.queue, o)
	if l.leading {
		l.mu.Unlock()
		return nil
	}
	l.leading = true
	l.mu.Unlock()
	l.lead()
	return nil
}

// lead takes turns until nobody is left, or one that came meanwhile can lead.
func (l *Ledger) lead() {
	for {
		l.mu.Lock()
		batch := l.queue
		l.queue, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		closing := l.safeTurn(batch)
		l.mu.Lock()
		clear(batch)
		l.spare = batch[:0]
		if len(l.queue) == 0 {
			l.leading = false
			l.mu.Unlock()
			if closing != nil {
				closing()
			}
			return
		}
		i := slices.IndexFunc(l.queue, func(o *op) bool { return o.ask != nil && !o.leaves }) // others may not look any more
		if i >= 0 {
			next := l.queue[i].ask
			l.mu.Unlock()
			next.answers <- answer{lead: true}
			return
		}
		l.mu.Unlock()
	}
}

// turn does what a batch wants. It gives what is to be done when the ledger closes.
func (d *leader) turn(batch []*op) (closing func()) {
	var asks, leaving []*ask
	var configs []*op
	var last *op
	for _, o := range batch {
		switch {
		case o.leaves:
			leaving = append(leaving, o.ask)
		case o.ask != nil:
			asks = append(asks, o.ask)
		case o.fact != nil:
			d.late = append(d.late, *o.fact)
		case o.accounts != nil:
			configs = append(configs, o)
		case o.closing:
			last = o
		default:
			d.moved = true // the timer
		}
	}
	before := d.log.book.now
	err := d.prepare()
	d.moved = d.moved || d.log.book.now != before || len(configs)+len(leaving) > 0
	for _, o := range configs {
		if err == nil {
			d.configure(o.accounts)
		} else { // as soon as calls can be decided again
			d.log.book.accounts, d.log.book.stale = &accounts{config: o.accounts.config}, true
		}
		d.answers = append(d.answers, func() { o.done <- nil })
	}
	for _, a := range leaving {
		d.leave(a)
	}
	if err == nil {
		err = d.decide(asks)
	} else {
		d.fail(asks, err)
	}
	if d.log.held {
		if err == nil {
			d.compactIfLarge()
		}
		d.log.release()
	}
	if last != nil {
		d.fail(d.waiters, ErrClosed)
		d.waiters = nil
		d.timer.Stop()
		if n := len(d.late); n > 0 {
			err = fmt.Errorf("cannot write what %d calls took, so that they are charged in full: %w", n, err)
		} else {
			err = nil
		}
		closing = func() { last.done <- err }
	} else {
		d.arm()
	}
	for _, tell := range d.answers {
		tell()
	}
	d.told()
	return closing
}

// told forgets the answers, which were given.
func (d *leader) told() {
	clear(d.answers)
	d.answers, d.given = d.answers[:0], d.given[:0]
}

// prepare takes the lock and brings the book up to the log.
func (d *leader) prepare() error {
	if err := d.log.hold(); err != nil {
		return err
	}
	if d.ahead {
		if err := d.log.load(); err != nil {
			return err
		}
		d.ahead = false
		for id := range d.log.book.open { // what was in a write that failed, and is there all the same
			if _, mine := d.own[id.n]; id.gen == d.l.gen.number && !mine {
				d.late = append(d.late, record{kind: recCancel, id: id})
			}
		}
	}
	if err := d.log.latest(); err != nil {
		return err
	}
	if d.log.book.stale {
		a, err := compile(d.log.book.accounts.config)
		if err != nil {
			return err
		}
		d.configure(a)
	}
	if d.failed != nil {
		if err := d.flush(); err != nil {
			return err
		}
	}
	if d.l.disk.doubtful() {
		return d.compact(true)
	}
	return nil
}

// flush writes what is late, or, when nothing is, that the time went on, to see whether there is room.
func (d *leader) flush() error {
	before := d.log.book.now
	d.start()
	d.put(d.late)
	return d.write(before, nil)
}

func (d *leader) configure(a *accounts) {
	b := d.log.book
	b.configure(a)
	for _, p := range a.principals { // those that spent are facts
		if b.perWho[p.Name] > 0 && d.unknown(p) {
			d.late = append(d.late, principalRecord(p, a.config.Number))
		}
	}
}

// unknown tells whether the log should learn who somebody is: of two configs at once the newer one tells.
func (d *leader) unknown(p *Principal) bool {
	k := d.log.book.principals[p.Name]
	return k == nil || (k.Type != p.Type || !maps.Equal(k.Labels, p.Labels)) && k.number <= d.log.book.accounts.config.Number
}

func principalRecord(p *Principal, number int64) record {
	return record{kind: recPrincipal, name: keyName{principal: p.Name}, text: p.Type, labels: p.Labels, number: number}
}

// start begins a write with the time and the balance.
func (d *leader) start() {
	b := d.log.book
	d.buf = d.buf[:0]
	at := d.clock.read(b.now)
	d.append(&record{kind: recTime, at: at, used: b.used, held: b.held})
	b.now = at
}

func (d *leader) append(r *record) {
	d.buf = appendFrame(d.buf, d.log.tail.number, d.log.tail.off, r)
}

// put the facts into the write, without those that end what is not open (any more).
func (d *leader) put(facts []record) {
	d.late = facts[:0]
	for _, f := range facts {
		if (f.kind == recSettle || f.kind == recCancel) && d.log.book.open[f.id] == nil {
			delete(d.own, f.id.n)
			continue
		}
		d.late = append(d.late, f)
		d.append(&f)
	}
}

// write what was put, and then make the late facts true. On an error nothing is written, and the facts stay late; granted tells that the book is
// ahead of the log then.
func (d *leader) write(before moment, granted []*Reservation) error {
	b := d.log.book
	if err := d.log.write(d.buf); err != nil {
		if d.failed == nil {
			d.l.options.Log.Error(err, "cannot write the ledger; no call goes on until it can")
		}
		b.now, d.failed, d.ahead = before, err, d.ahead || len(granted) > 0
		return err
	}
	if d.failed != nil {
		d.l.options.Log.Info("the ledger can be written again")
	}
	d.failed = nil
	place := d.base + d.log.tail.off
	d.l.disk.written.Store(place)
	for _, r := range granted {
		r.place = place
	}
	for i := range d.late {
		f := &d.late[i]
		if err := b.apply(f); err != nil {
			d.ahead = true // the log is read anew, and tells what is wrong
			return errors.Join(errors.New("the ledger contradicts itself"), err)
		}
		switch f.kind {
		case recSettle, recCancel:
			delete(d.own, f.id.n)
		case recCharge:
			forgetGeneration(d.l.options.Dir, f.id.gen)
		}
	}
	clear(d.late)
	d.late = d.late[:0]
	return nil
}

// buryDead charges what generations have set aside that live no more.
func (d *leader) buryDead() (any bool) {
	for gen, n := range d.log.book.openOf {
		if gen != d.l.gen.number && !alive(d.l.options.Dir, gen) {
			d.l.options.Log.Info("charged in full what a dead gate had set aside", "generation", gen, "calls", n)
			d.late = append(d.late, record{kind: recCharge, id: callID{gen: gen}})
			any = true
		}
	}
	return any
}

// arm the timer: somebody waits for the edge of a window, and looks once a second whether another process gave something back or somebody reset a budget; or
// something could not be written.
func (d *leader) arm() {
	if len(d.waiters) == 0 && d.failed == nil {
		d.timer.Stop()
		return
	}
	next := time.Second
	for _, a := range d.waiters {
		if r := a.last.farthest().reset; r > 0 {
			next = min(next, r)
		}
	}
	d.timer.Reset(next)
}
