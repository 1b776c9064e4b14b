package store

import (
	"sort"
	"time"
)

// historyAge is how long an event is kept for watches that resume, besides the limit on their number: old versions of objects are memory.
const historyAge = time.Minute

// history keeps the newest events in order. Events are numbered from 0; those before first were dropped.
type history struct {
	limit  int
	first  int64
	events []Event
	times  []time.Time // when the event was seen, beside events
	// gone is the revision of the last event that was dropped, or the first revision of this life.
	gone int64
}

// end is the number of the next event.
func (h *history) end() int64 { return h.first + int64(len(h.events)) }

func (h *history) add(now time.Time, evs []Event) {
	h.events = append(h.events, evs...)
	for range evs {
		h.times = append(h.times, now)
	}
	// Dropping costs a pass over what stays, so it waits until a quarter more than the limit is there.
	if len(h.events) > h.limit+h.limit/4 {
		h.drop(len(h.events) - h.limit)
	}
}

// expire drops events from before t and says when the next one is due; zero when none is left.
func (h *history) expire(t time.Time) time.Time {
	h.drop(sort.Search(len(h.times), func(i int) bool { return h.times[i].After(t) }))
	if len(h.times) == 0 {
		return time.Time{}
	}
	return h.times[0]
}

func (h *history) drop(n int) {
	if n == 0 {
		return
	}
	h.gone = h.events[n-1].Rev
	h.first += int64(n)
	h.events = append([]Event(nil), h.events[n:]...)
	h.times = append([]time.Time(nil), h.times[n:]...)
}

// after finds the number of the first event with a revision above rev.
func (h *history) after(rev int64) (int64, bool) {
	if rev < h.gone {
		return 0, false
	}
	return h.first + int64(sort.Search(len(h.events), func(i int) bool { return h.events[i].Rev > rev })), true
}
