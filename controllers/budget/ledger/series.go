package ledger

import "time"

// Amounts that calls took.
type Amounts struct {
	Input, Output int64
	Cost          Nano
	Requests      int64
}

func (a *Amounts) plus(b Amounts) {
	a.Input, a.Output = add(a.Input, b.Input), add(a.Output, b.Output)
	a.Cost, a.Requests = addNano(a.Cost, b.Cost), add(a.Requests, b.Requests)
}

// minus takes away what was added before.
func (a *Amounts) minus(b Amounts) {
	a.Input, a.Output, a.Cost, a.Requests = a.Input-b.Input, a.Output-b.Output, a.Cost-b.Cost, a.Requests-b.Requests
}

// of is the amount in a measure. Concurrency is what is under way, one request each.
func (a *Amounts) of(m Measure) int64 {
	switch m {
	case Tokens:
		return add(a.Input, a.Output)
	case InputTokens:
		return a.Input
	case OutputTokens:
		return a.Output
	case Cost:
		return int64(a.Cost)
	default:
		return a.Requests
	}
}

// bucket is what was used in a piece of the calendar.
type bucket struct {
	wall  int64 // its start in seconds since 1970, a multiple of width
	width int64 // in seconds; 0 is all that is older than the rest
	last  int64 // when the latest of it was used, by the ledger's clock
	Amounts
}

// tiers say how wide a bucket is by its age. All edges of all calendars are multiples of 900 s.
var tiers = []struct {
	age   time.Duration
	width int64
}{{time.Hour, 1}, {48 * time.Hour, 60}, {62 * 24 * time.Hour, 900}}

func widthAt(age int64) int64 {
	for _, t := range tiers {
		if age < int64(t.age) {
			return t.width
		}
	}
	return 0
}

// series is what was used of one key, the oldest first by the ledger's clock.
type series []bucket

// add puts what was used now into the newest bucket, or into a new one: at a new second, and after a reset, so that none is on both sides of it.
func (s *series) add(now moment, a Amounts, lastReset int64) {
	wall := floor(now.wall, int64(time.Second))
	if n := len(*s); n > 0 {
		if b := &(*s)[n-1]; b.width == 1 && b.wall == wall && b.last > lastReset {
			b.last = now.ledger
			b.plus(a)
			return
		}
	}
	*s = append(*s, bucket{wall: wall, width: 1, last: now.ledger, Amounts: a})
}

// fold makes the buckets as wide as their age wants. Those on two sides of a reset stay apart.
func (s *series) fold(now moment, apart func(a, b int64) bool) {
	out := (*s)[:0]
	for _, b := range *s {
		if w := widthAt(now.ledger - b.last); w != b.width && (w == 0 || w > b.width && b.width != 0) {
			b.width = w
			if w == 0 {
				b.wall = 0
			} else {
				b.wall = floor(b.wall, w) * w
			}
		}
		if n := len(out); n > 0 && out[n-1].width == b.width && out[n-1].wall == b.wall && !apart(out[n-1].last, b.last) {
			out[n-1].plus(b.Amounts)
			out[n-1].last = b.last
			continue
		}
		out = append(out, b)
	}
	*s = out
}

// floor of a quotient.
func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}
