package store

import (
	"context"
	"maps"
	"slices"
)

// Watch follows the changes of some kinds. Next is for one goroutine at a time; Close may be called from any.
type Watch struct {
	s     *Store
	kinds map[string]bool // nil for all
	wake  chan struct{}

	// next is the number in the history of the first event not looked at. Written by Next, or by the store while nobody reads.
	next   int64
	closed bool
}

// Watch follows changes with revisions above from, of all kinds when kinds is nil. ErrGone when they are not all kept any more, or from
// was never a revision of this life of the store. Close must be called.
func (s *Store) Watch(kinds []string, from int64) (*Watch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	next, ok := s.history.after(from)
	if !ok || from > s.rev {
		return nil, ErrGone
	}
	return s.watch(kinds, next), nil
}

// ListWatch answers the objects of the kinds, each kind sorted, and a watch of every change after that. Close must be called on it.
// On a closed store the watch answers ErrClosed.
func (s *Store) ListWatch(kinds []string) ([]Object, *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listed := kinds
	if listed == nil {
		listed = slices.Sorted(maps.Keys(s.tables))
	}
	var list []Object
	for _, kind := range listed {
		list = s.tables[kind].list(list)
	}
	return list, s.watch(kinds, s.history.end())
}

func (s *Store) watch(kinds []string, next int64) *Watch {
	w := &Watch{s: s, wake: make(chan struct{}, 1), next: next}
	if kinds != nil {
		w.kinds = map[string]bool{}
		for _, k := range kinds {
			w.kinds[k] = true
		}
	}
	s.watches[w] = struct{}{}
	return w
}

// Next answers the events since the last call, oldest first and at least one; those of one transaction come in one call. It blocks until
// there is one, ctx ends, or the watch or the store is closed (ErrClosed). After ErrGone the watcher has missed changes and must list again.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	for {
		events, err := w.take()
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.wake:
		}
	}
}

func (w *Watch) take() ([]Event, error) {
	w.s.mu.RLock()
	defer w.s.mu.RUnlock()
	h := &w.s.history
	switch {
	case w.closed:
		return nil, ErrClosed
	case w.next < h.first:
		return nil, ErrGone
	}
	var out []Event
	news := h.events[w.next-h.first:]
	if w.kinds == nil && len(news) > 0 {
		out = append(out, news...)
	} else {
		for _, e := range news {
			if w.kinds[e.Kind] {
				out = append(out, e)
			}
		}
	}
	w.next = h.end()
	if len(out) == 0 && w.s.closed {
		return nil, ErrClosed
	}
	return out, nil
}

// Close ends the watch. A blocked Next answers ErrClosed.
func (w *Watch) Close() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.closed = true
	delete(w.s.watches, w)
	w.signal()
}

func (w *Watch) wants(kinds map[string]bool) bool {
	if w.kinds == nil {
		return true
	}
	for k := range kinds {
		if w.kinds[k] {
			return true
		}
	}
	return false
}

// signal wakes Next; it never blocks.
func (w *Watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
