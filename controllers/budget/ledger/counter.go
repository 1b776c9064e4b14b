package ledger

import (
	"cmp"
	"slices"
	"time"
)

// counter is what was used of a limit in its window. It may tell more than there was (a slot leaves whole), never less.
type counter struct {
	*window
	measure Measure
	used    int64
	slots   []slot // of a sliding window, the oldest first
	from    int64  // of a calendar one: the period that it counts
	to      int64
	fresh   bool // it must be derived
	blocked bool // somebody waits for room in it
}

type slot struct{ at, amount int64 }

// sliding and calendar tell what kind of window it is; a prepaid limit is neither.
func (c *counter) sliding() bool  { return c.Sliding > 0 }
func (c *counter) calendar() bool { return c.Calendar != "" }

// advance brings the counter to the present.
func (c *counter) advance(b *book, a *account) {
	switch {
	case c.sliding():
		n := 0
		for n < len(c.slots) && c.expires(c.slots[n].at) <= b.now.ledger {
			n++
		}
		if n > 0 {
			c.slots = slices.Delete(c.slots, 0, n)
			c.sum()
		}
	case c.calendar() && (b.now.wall < c.from || b.now.wall >= c.to):
		c.from, c.to = c.period(b.now.wall)
		c.used = 0
		if c.from <= a.latest { // the clock went back over an edge, or forward again: the facts know
			for _, k := range b.keys {
				if slices.Contains(k.accounts, a) {
					c.take(b.profile(k, c.window, b.resets[a.budget.Name]))
				}
			}
		}
	}
}

func (c *counter) sum() {
	c.used = 0
	for _, s := range c.slots {
		c.used = add(c.used, s.amount)
	}
}

func (c *counter) add(b *book, acc *account, a Amounts) {
	if c.measure == Concurrency {
		return
	}
	c.advance(b, acc)
	amount := a.of(c.measure)
	c.used = add(c.used, amount)
	if !c.sliding() || amount == 0 {
		return
	}
	at := c.slot(b.now.ledger)
	if n := len(c.slots); n > 0 && c.slots[n-1].at == at {
		c.slots[n-1].amount = add(c.slots[n-1].amount, amount)
	} else {
		c.slots = append(c.slots, slot{at, amount})
	}
}

// portion is what was used of a key in a slot of a window, or in all of it.
type portion struct {
	slot int64
	Amounts
}

// profile is what was used of a key in a window until now, from its facts: those after the reset.
func (b *book) profile(k *key, w *window, reset int64) []portion {
	var out []portion
	from, to := int64(0), int64(0)
	if w.Calendar != "" {
		from, to = w.period(b.now.wall)
	}
	for i := len(k.series) - 1; i >= 0 && k.series[i].last > reset; i-- {
		u := &k.series[i]
		at := int64(0)
		switch {
		case w.Sliding > 0:
			if at = w.slot(u.last); w.expires(at) <= b.now.ledger {
				return out
			}
		case w.Calendar != "":
			if wall := u.wall * int64(time.Second); u.width == 0 || wall < from || wall >= to {
				continue
			}
		}
		if n := len(out); n > 0 && out[n-1].slot == at {
			out[n-1].plus(u.Amounts)
		} else {
			out = append(out, portion{at, u.Amounts})
		}
	}
	return out
}

// take adds what a key has used in the window.
func (c *counter) take(of []portion) {
	for i := range of {
		amount := of[i].of(c.measure)
		c.used = add(c.used, amount)
		if c.sliding() && amount > 0 {
			c.slots = append(c.slots, slot{of[i].slot, amount})
		}
	}
}

// settle puts the slots in order after what was used of many keys was taken.
func (c *counter) settle() {
	slices.SortFunc(c.slots, func(x, y slot) int { return cmp.Compare(x.at, y.at) })
	out := c.slots[:0]
	for _, s := range c.slots {
		if n := len(out); n > 0 && out[n-1].at == s.at {
			out[n-1].amount = add(out[n-1].amount, s.amount)
		} else {
			out = append(out, s)
		}
	}
	c.slots = out
}

// fits is how long until a need fits that does not now, if nothing else came: zero when what is set aside is in the way, negative when never.
func (c *counter) fits(b *book, amount, need int64) time.Duration {
	room := amount - need // for what is used
	switch {
	case c.measure == Concurrency && amount > 0:
		return 0
	case room < 0 || c.measure == Concurrency:
		return -1
	case c.used <= room:
		return 0
	case c.calendar():
		return time.Duration(c.to - b.now.wall)
	case c.sliding():
		used := c.used
		for _, s := range c.slots {
			if used -= s.amount; used <= room {
				return time.Duration(c.expires(s.at) - b.now.ledger)
			}
		}
	}
	return -1
}

// resets is how long until the limit has all of its amount again: negative is never.
func (c *counter) resets(b *book) time.Duration {
	switch {
	case c.calendar():
		return time.Duration(c.to - b.now.wall)
	case c.sliding() && len(c.slots) > 0:
		return time.Duration(c.expires(c.slots[len(c.slots)-1].at) - b.now.ledger)
	case c.sliding():
		return c.Sliding
	}
	return -1
}
