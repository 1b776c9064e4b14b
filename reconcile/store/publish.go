package store

import (
	"strconv"
	"time"
)

// apply makes the changes of one transaction visible. mu is held.
func (s *Store) apply(st *staged) {
	events := make([]Event, 0, len(st.changes))
	touched := map[string]bool{}
	for _, c := range st.changes {
		s.table(c.key.Kind).set(c.key, c.after)
		touched[c.key.Kind] = true
		if c.before != nil && (c.after == nil || c.recreated) {
			events = append(events, Event{Type: Deleted, Kind: c.key.Kind, Object: deleted(c.before, st.rev), Old: c.before, Rev: st.rev})
		}
		switch {
		case c.after == nil:
		case c.before == nil || c.recreated:
			events = append(events, Event{Type: Added, Kind: c.key.Kind, Object: c.after, Rev: st.rev})
		default:
			events = append(events, Event{Type: Modified, Kind: c.key.Kind, Object: c.after, Old: c.before, Rev: st.rev})
		}
	}
	for kind := range touched {
		s.tables[kind].settle()
	}
	s.rev = st.rev
	s.publish(events, touched)
}

// deleted is the object as a deletion shows it: as it was, with the revision of the deletion.
func deleted(o Object, rev int64) Object {
	c := o.DeepCopyObject().(Object)
	c.SetResourceVersion(strconv.FormatInt(rev, 10))
	return c
}

// publish adds events to the history and wakes the watches that want them. mu is held.
func (s *Store) publish(events []Event, kinds map[string]bool) {
	if len(events) == 0 {
		return
	}
	begin := s.history.end()
	s.history.add(s.now(), events)
	if s.expiry == nil && !s.closed {
		s.expiry = time.AfterFunc(historyAge, s.expire)
	}
	for w := range s.watches {
		switch {
		case w.wants(kinds):
			w.signal()
		case w.next == begin: // it has seen all before, and nothing here is for it
			w.next = s.history.end()
		}
	}
}

// expire drops old history and comes again while there is any.
func (s *Store) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expiry = nil
	if s.closed {
		return
	}
	if first := s.history.expire(s.now().Add(-historyAge)); !first.IsZero() {
		s.expiry = time.AfterFunc(first.Add(historyAge).Sub(s.now())+historyAge/8, s.expire)
	}
}
