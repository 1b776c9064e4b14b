package admit

import (
	"maps"

	"mirroros.dev/mirroros/reconcile/store"
)

// declared are the first documents of each key, as the files have them.
func (s *Set) declared() map[store.Key]*Entry {
	byKey := make(map[store.Key]*Entry, len(s.byKey))
	for _, l := range s.leaves {
		for _, f := range l.files {
			for _, e := range f.Entries {
				if byKey[e.Key()] == nil {
					byKey[e.Key()] = e
				}
			}
		}
	}
	return byKey
}

// Held are the keys whose objects are not as the files have them.
func (s *Set) Held() []store.Key {
	if s == nil {
		return nil
	}
	return sortedKeys(s.held)
}

// With answers the set with some objects held back, beside those that are held already: as an entry of an earlier set has them, or, where it
// is nil, not in force.
func (s *Set) With(held map[store.Key]*Entry) *Set {
	if len(held) == 0 {
		return s
	}
	if s == nil {
		s = NewSet(nil)
	}
	n := *s
	n.byKey, n.held = maps.Clone(s.byKey), maps.Clone(s.held)
	if n.held == nil {
		n.held = make(map[store.Key]*Entry, len(held))
	}
	for k, e := range held {
		if e == nil {
			delete(n.byKey, k)
		} else {
			e = e.apart()
			n.byKey[k] = e
		}
		n.held[k] = e
	}
	n.kinds, n.digest = countKinds(n.byKey), n.sum()
	return &n
}

// Release forgets the parsed documents of all files that old does not have.
func (s *Set) Release(old *Set) {
	if s == nil {
		return
	}
	known := map[*leaf]bool{}
	if old != nil && old != s {
		for _, l := range old.leaves {
			known[l] = true
		}
	}
	for _, l := range s.leaves {
		if !known[l] {
			for _, f := range l.files {
				f.Release()
			}
		}
	}
}
