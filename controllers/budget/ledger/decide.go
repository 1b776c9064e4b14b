package ledger

import (
	"fmt"
	"math"
	"time"
)

// What one call can have at most, so that sums of many stay exact: a trillion tokens, a million of a currency.
const (
	maxTokens = 1 << 40
	maxCost   = 1 << 50
)

// call is a request made ready for deciding.
type call struct {
	keyName
	id                   string
	input, output, least int64 // tokens; of output for each choice
	choices              int64
	prices               []Price // with the dearest kind of input
}

// newCall refuses what cannot be accounted.
func newCall(r *Request) (*call, error) {
	for i, s := range [...]string{r.ID, r.Principal, r.Gate, r.Route, r.Model} {
		if len(s) > maxText {
			what := [...]string{"id", "principal", "gate", "route", "model"}[i]
			return nil, fmt.Errorf("cannot account for a call whose %s has %d bytes: %d are the most", what, len(s), maxText)
		}
	}
	c := &call{keyName: keyName{r.Principal, r.Gate, r.Route, r.Model}, id: r.ID, input: r.Input, choices: max(1, r.Choices)}
	if r.Input < 0 || r.Output < 0 || r.MinOutput < 0 {
		return nil, fmt.Errorf("cannot account for a call of %d input and %d output tokens", r.Input, r.Output)
	}
	if r.Input > maxTokens || c.choices > maxTokens {
		return nil, fmt.Errorf("cannot account for a call of %d input tokens and %d choices: %d are the most", r.Input, c.choices, int64(maxTokens))
	}
	c.output = min(r.Output, maxTokens/c.choices)
	c.least = min(max(r.MinOutput, 1), c.output)
	for _, p := range r.Prices {
		if p.InputPerMillion < 0 || p.CachedPerMillion < 0 || p.OutputPerMillion < 0 || p.PerCall < 0 {
			return nil, fmt.Errorf("cannot account for a price below zero")
		}
		if p.CachedPerMillion > 0 { // each kind of input is rounded up by itself
			p.PerCall = addNano(p.PerCall, 1)
		}
		p.InputPerMillion = max(p.InputPerMillion, p.CachedPerMillion)
		p.CachedPerMillion = p.InputPerMillion
		c.prices = append(c.prices, p)
	}
	if c.output = min(c.output, c.affords(Cost, maxCost)); c.output < c.least {
		return nil, fmt.Errorf("cannot account for a call that may cost more than %d billionths of the currency", int64(maxCost))
	}
	return c, nil
}

// most that the call takes with so many output tokens for each choice.
func (c *call) most(output int64) Amounts {
	a := Amounts{Input: c.input, Output: output * c.choices, Requests: 1}
	for i := range c.prices {
		a.Cost = max(a.Cost, c.prices[i].Cost(Usage{Input: a.Input, Output: a.Output}))
	}
	return a
}

// affords is how many output tokens each choice may have with that room in a measure; -1 when the call does not fit without any.
// What takes nothing of a measure fits even where more than all is used.
func (c *call) affords(m Measure, room int64) int64 {
	fixed, perChoice := int64(0), c.choices
	switch m {
	case Tokens:
		fixed = c.input
	case InputTokens:
		fixed, perChoice = c.input, 0
	case OutputTokens:
	case Cost:
		out := int64(math.MaxInt64)
		for i := range c.prices {
			p := &c.prices[i]
			left := room
			if p.Cost(Usage{Input: c.input}) == 0 {
				left = max(room, 0)
			}
			n := p.Affords(Nano(left), c.input)
			if n < 0 {
				return -1
			}
			out = min(out, n/c.choices)
		}
		return out
	default:
		fixed, perChoice = 1, 0
	}
	if fixed > 0 && fixed > room {
		return -1
	}
	if perChoice == 0 {
		return math.MaxInt64
	}
	return max(0, room-fixed) / perChoice
}

// decision about a call.
type decision struct {
	fits   bool
	output int64 // for each choice
	// What it does not fit into, or what somebody waits for who came before.
	stops []stop
}

type stop struct {
	acc   *account
	limit int
	reset time.Duration // how long until it fits, negative when never
}

// decide what a call may have of its accounts now. Ahead tells that what others wait for is to be left to them.
func (b *book) decide(c *call, accs []*account, ahead bool) decision {
	d := decision{output: c.output}
	for _, acc := range accs {
		for i := range acc.counters {
			n := &acc.counters[i]
			n.advance(b, acc)
			amount := acc.budget.Limits[i].Amount
			can := c.affords(n.measure, amount-add(n.used, acc.held.of(n.measure)))
			switch {
			case can < c.least:
				d.stops = append(d.stops, stop{acc, i, n.fits(b, amount, c.need(n.measure))})
			case ahead && n.blocked && c.need(n.measure) > 0:
				d.stops = append(d.stops, stop{acc, i, 0})
			default:
				d.output = min(d.output, can)
			}
		}
	}
	d.fits = len(d.stops) == 0
	return d
}

// need of a measure at least.
func (c *call) need(m Measure) int64 {
	a := c.most(c.least)
	return a.of(m)
}

// farthest is the stop whose reset is farthest.
func (d *decision) farthest() stop {
	far := d.stops[0]
	for _, s := range d.stops[1:] {
		if far.reset >= 0 && (s.reset < 0 || s.reset > far.reset) {
			far = s
		}
	}
	return far
}

// action is what happens to a call that does not fit: Deny where one limit says so, else Downgrade where one does, else Queue. Wait is how long the
// most impatient one lets it wait, route that of the farthest that downgrades.
func (d *decision) action() (a Action, wait time.Duration, route string) {
	a, wait = Queue, math.MaxInt64
	var far *stop
	for i := range d.stops {
		s := &d.stops[i]
		switch l := &s.acc.budget.Limits[s.limit]; l.OnExceeded {
		case Queue:
			wait = min(wait, l.MaxWait)
		case Downgrade:
			if a == Queue {
				a = Downgrade
			}
			if far == nil || far.reset >= 0 && (s.reset < 0 || s.reset > far.reset) {
				far, route = s, l.Route
			}
		default:
			a = Deny
		}
	}
	return a, wait, route
}

// exceeded tells the caller.
func (d *decision) exceeded(c *call) *Exceeded {
	s := d.farthest()
	b := s.acc.budget
	l := b.Limits[s.limit]
	e := &Exceeded{Budget: b.Name, Limit: l.Name, Principal: s.acc.principal, Measure: l.Measure, Need: c.need(l.Measure),
		Used: add(s.acc.counters[s.limit].used, s.acc.held.of(l.Measure)), Amount: l.Amount, Currency: b.Currency, Reset: s.reset}
	if a, _, route := d.action(); a == Downgrade {
		e.Downgrade = route
	}
	return e
}

// left is what the tightest limits of tokens and of requests have left.
func (b *book) left(accs []*account) (tokens, requests Left) {
	for _, acc := range accs {
		for i := range acc.counters {
			n := &acc.counters[i]
			into := &tokens
			switch n.measure {
			case Requests:
				into = &requests
			case Tokens, InputTokens, OutputTokens:
			default:
				continue
			}
			amount := acc.budget.Limits[i].Amount
			remaining := max(0, amount-add(n.used, acc.held.of(n.measure)))
			if !into.Known || remaining < into.Remaining {
				*into = Left{Known: true, Limit: amount, Remaining: remaining, Reset: n.resets(b)}
			}
		}
	}
	return tokens, requests
}
