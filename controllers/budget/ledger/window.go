package ledger

import (
	"fmt"
	"time"
)

// slots of a sliding window. What falls into one of them leaves the window together, with the latest of it: late, never early.
const slots = 60

// window is a Window that can be computed. Equal ones are one, so that 10,000 accounts share the work of a new day.
type window struct {
	Window
	zone       *time.Location
	width      int64 // of a slot, in nanoseconds
	start, end int64 // of the calendar period that was asked for last, in nanoseconds of the wall clock
}

func newWindow(w Window) (*window, error) {
	out := &window{Window: w, width: (int64(w.Sliding) + slots - 1) / slots}
	if w.Calendar == "" {
		return out, nil
	}
	zone, err := time.LoadLocation(w.Zone) // "" is UTC
	if err != nil {
		return nil, fmt.Errorf("cannot use the time zone %q: %v", w.Zone, err)
	}
	out.zone = zone
	return out, nil
}

// slot that a time of the ledger clock falls into.
func (w *window) slot(at int64) int64 { return at / w.width }

// expires is when all of a slot has left the window.
func (w *window) expires(slot int64) int64 { return (slot+1)*w.width + int64(w.Sliding) }

// period is the calendar period that a time of the wall clock is in: from start on, before end.
func (w *window) period(wall int64) (start, end int64) {
	if wall < w.start || wall >= w.end {
		s, e := calendarPeriod(w.Calendar, time.Unix(0, wall).In(w.zone))
		w.start, w.end = s.UnixNano(), e.UnixNano()
	}
	return w.start, w.end
}

// calendarPeriod is the hour, day, week or month that t is in, in the zone of t. Periods follow each other without a gap: a day may have 23 or 25
// hours, and where clocks change by half an hour an hour ends there.
func calendarPeriod(unit Calendar, t time.Time) (start, end time.Time) {
	y, m, d := t.Date()
	switch unit {
	case Hour:
		start = t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
		end = start.Add(time.Hour)
		from, to := t.ZoneBounds()
		if !from.IsZero() && from.After(start) {
			start = from
		}
		if !to.IsZero() && to.Before(end) {
			end = to
		}
		return start, end
	case Week:
		d -= (int(t.Weekday()) + 6) % 7
		return midnight(y, m, d, t.Location()), midnight(y, m, d+7, t.Location())
	case Month:
		return midnight(y, m, 1, t.Location()), midnight(y, m+1, 1, t.Location())
	default:
		return midnight(y, m, d, t.Location()), midnight(y, m, d+1, t.Location())
	}
}

// midnight is the first moment of a day. Where clocks go forward at midnight the day begins at one, and time.Date may give the evening before.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if noon := time.Date(y, m, d, 12, 0, 0, 0, zone); t.Day() != noon.Day() {
		if _, next := t.ZoneBounds(); !next.IsZero() {
			return next.In(zone)
		}
	}
	return t
}
