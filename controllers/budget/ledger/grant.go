package ledger

import (
	"fmt"
	"slices"
)

// maxKeys of one principal: a client cannot fill the ledger with names of models.
const maxKeys = 10_000

// decide about those that wait and those that are new, until nothing more comes free.
func (d *leader) decide(asks []*ask) error {
	if d.log.book.accounts == nil {
		d.fail(asks, ErrNotConfigured)
		asks = nil
	}
	asks = slices.DeleteFunc(asks, func(a *ask) bool {
		b := d.log.book
		tooMany := b.byName[a.keyName] == nil && b.perWho[a.principal] >= maxKeys
		if tooMany {
			d.fail([]*ask{a}, fmt.Errorf("%w: principal %q has used %d different gates, routes and models, and may use no further one: use one of those, or have the routes name their models instead of a pattern", ErrCall, a.principal, maxKeys))
		}
		return tooMany
	})
	looked := false
	for {
		b, before := d.log.book, d.log.book.now
		d.start()
		empty := len(d.buf)
		var granted []*Reservation
		var to []*ask
		grant := func(a *ask, accs []*account, dec decision) {
			granted, to = append(granted, d.grant(a, accs, dec)), append(to, a)
		}
		if d.moved {
			d.serveWaiters(grant)
			d.moved = false
		}
		var refused []*ask
		for _, a := range asks {
			accs, dec := d.look(a)
			if dec.fits {
				grant(a, accs, dec)
				continue
			}
			a.last = dec
			refused = append(refused, a)
			if action, wait, _ := dec.action(); action == Queue && wait > 0 {
				a.until = b.now.ledger + int64(wait)
				d.block(a)
			}
		}
		if len(refused)+len(d.waiters) > 0 && !looked {
			looked = true
			d.buryDead()
		}
		d.put(d.late)
		freed := len(d.late) > 0
		d.moved = freed
		if len(d.buf) == empty { // nothing happened
			d.refuse(refused)
			b.now = before
			return nil
		}
		if err := d.write(before, granted); err != nil {
			d.fail(to, err)
			d.fail(refused, err)
			d.moved = true
			for _, r := range granted {
				delete(d.own, r.n)
			}
			return err
		}
		for i, a := range to {
			r := granted[i]
			d.answers = append(d.answers, func() { a.answers <- answer{reservation: r} })
		}
		asks = refused
		if !freed || len(refused)+len(d.waiters) == 0 {
			d.refuse(refused)
			return nil
		}
	}
}

// look what a call may have.
func (d *leader) look(a *ask) ([]*account, decision) {
	b := d.log.book
	var accs []*account
	if k := b.byName[a.keyName]; k != nil {
		accs = k.accounts
	} else {
		accs = b.accounts.match(b, a.keyName)
	}
	return accs, b.decide(a.call, accs, true)
}

// serveWaiters in turn. What one of them does not fit into is left to it by those behind.
func (d *leader) serveWaiters(grant func(*ask, []*account, decision)) {
	for _, c := range d.blocked {
		c.blocked = false
	}
	d.blocked = d.blocked[:0]
	d.waiters = slices.DeleteFunc(d.waiters, func(a *ask) bool {
		accs, dec := d.look(a)
		if dec.fits {
			grant(a, accs, dec)
			return true
		}
		a.last = dec
		if action, _, _ := dec.action(); action != Queue {
			e := dec.exceeded(a.call)
			d.answers = append(d.answers, func() { a.answers <- answer{exceeded: e} })
			return true
		}
		d.block(a)
		return false
	})
}

// block has those behind leave to a call what it waits for. One that cannot have it before it gives up, unless somebody resets a budget, holds up nobody:
// else whoever asks for much again and again would keep from all others what there is.
func (d *leader) block(a *ask) {
	now := d.log.book.now.ledger
	if slices.ContainsFunc(a.last.stops, func(s stop) bool { return s.reset < 0 || int64(s.reset) > a.until-now }) {
		return
	}
	for _, s := range a.last.stops {
		if c := &s.acc.counters[s.limit]; !c.blocked {
			c.blocked = true
			d.blocked = append(d.blocked, c)
		}
	}
}

// grant sets aside what was decided. It is true once it is written.
func (d *leader) grant(a *ask, accs []*account, dec decision) *Reservation {
	b := d.log.book
	if p := b.accounts.principals[a.principal]; p != nil && d.unknown(p) {
		r := principalRecord(p, b.accounts.config.Number)
		d.append(&r)
		b.know(&known{*p, r.number})
	}
	k := b.byName[a.keyName]
	if k == nil {
		d.append(&record{kind: recKey, name: a.keyName})
		k = b.addKey(a.keyName)
	}
	d.counter++
	id := callID{d.l.gen.number, d.counter}
	h := &hold{k, a.most(dec.output), a.id}
	d.append(&record{kind: recReserve, id: id, key: k.id, usage: Usage{Input: h.Input, Output: h.Output}, cost: h.Cost, text: a.id})
	b.reserve(id, h)
	d.own[id.n] = struct{}{}
	d.given = append(d.given, id.n)
	r := &Reservation{ledger: d.l, n: id.n, output: dec.output, most: h.Amounts, held: len(k.accounts) > 0}
	r.tokens, r.requests = b.left(k.accounts)
	return r
}

// refuse tells those that do not fit, or has them wait.
func (d *leader) refuse(asks []*ask) {
	for _, a := range asks {
		action, wait, _ := a.last.action()
		if action != Queue || wait <= 0 {
			e := a.last.exceeded(a.call)
			d.answers = append(d.answers, func() { a.answers <- answer{exceeded: e} })
			continue
		}
		d.waiters = append(d.waiters, a)
		d.answers = append(d.answers, func() { a.answers <- answer{wait: wait} })
	}
}

// leave takes one that waited long enough out of the queue; it gets what it waits for, unless it was answered meanwhile.
func (d *leader) leave(a *ask) {
	i := slices.Index(d.waiters, a)
	if i < 0 {
		return
	}
	d.waiters = slices.Delete(d.waiters, i, i+1)
	e := a.last.exceeded(a.call)
	e.Waited = true
	d.answers = append(d.answers, func() { a.answers <- answer{exceeded: e} })
}

func unaccounted(err error) error { return fmt.Errorf("cannot account for the call: %w", err) }

func (d *leader) fail(asks []*ask, err error) {
	for _, a := range asks {
		d.answers = append(d.answers, func() {
			a.answers <- answer{err: unaccounted(err)}
		})
	}
}
