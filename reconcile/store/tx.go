package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Tx is a running transaction. It must not be used after the function of Txn returned, nor from another goroutine.
type Tx struct {
	s        *Store
	rev      int64
	failures int64
	changes  []*change
	byKey    map[Key]*change
	blobs    map[blobKey][]byte
	durable  bool
}

// change is what a transaction did to one object: before and after it, nil where it was not there.
type change struct {
	key           Key
	before, after Object
	// recreated: it was deleted and created again.
	recreated bool
}

// staged is a transaction that ran and waits for the disk.
type staged struct {
	rev     int64
	changes []*change
	writes  []write
	done    chan struct{} // closed when it is durable, or err says why not
	err     error
}

// Txn runs fn; what it changes becomes one revision, all or nothing. When it returns without error the changes are durable (lazy ones:
// visible) and can be seen by everybody. A transaction that changes nothing answers the revision that it saw and touches no disk.
//
// The functions of transactions run one at a time, each seeing what those before it did. So fn must be quick, must not wait for anything
// and must not call Txn or Close. Once fn has run, the outcome is awaited even when ctx ends, so that it is always known.
func (s *Store) Txn(ctx context.Context, fn func(*Tx) error) (int64, error) {
	st, rev, err := s.run(ctx, fn)
	if st == nil {
		return rev, err
	}
	<-st.done
	switch {
	case st.err != nil:
		return 0, st.err
	case err != nil:
		return 0, err
	}
	return st.rev, nil
}

// run runs fn and hands its changes on. The staged it answers, if any, is to be waited for.
func (s *Store) run(ctx context.Context, fn func(*Tx) error) (*staged, int64, error) {
	s.txn.Lock()
	defer s.txn.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	t := &Tx{s: s, rev: s.next + 1, failures: s.failures}
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, 0, ErrClosed
	}
	if err := fn(t); err != nil {
		// What it saw may not be visible yet, or never be: whoever gets the error is to find what it speaks of.
		return s.pending(), 0, err
	}
	return t.finish()
}

// pending is the last transaction that waits for the disk, nil when none does.
func (s *Store) pending() *staged {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.queue); n > 0 {
		return s.queue[n-1]
	}
	return nil
}

// finish makes the changes visible (only lazy ones, and nothing to wait for) or stages them.
func (t *Tx) finish() (*staged, int64, error) {
	s := t.s
	t.changes = slices.DeleteFunc(t.changes, func(c *change) bool { return c.before == nil && c.after == nil })
	st := &staged{rev: t.rev, changes: t.changes, done: make(chan struct{})}
	if err := t.dropSameBlobs(); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	empty := len(t.changes) == 0 && len(t.blobs) == 0
	// A lazy transaction behind a durable one is written with it: no hole on disk.
	durable := t.durable || len(s.queue) > 0 || t.rev > s.reserved
	s.mu.RUnlock()
	if durable && !empty {
		if err := t.encode(st); err != nil {
			return nil, 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures != t.failures {
		return nil, 0, s.failure
	}
	switch n := len(s.queue); {
	case empty && n == 0:
		return nil, s.rev, nil
	case empty: // it may have read what they wrote, so it has their outcome
		return s.queue[n-1], 0, nil
	case !durable || !t.durable && n == 0 && t.rev <= s.reserved:
		s.next = t.rev
		s.apply(st)
		s.markDirty(st.changes)
		return nil, t.rev, nil
	}
	s.next = t.rev
	s.stage(st, t.blobs)
	return st, 0, nil
}

func (s *Store) stage(st *staged, blobs map[blobKey][]byte) {
	s.queue = append(s.queue, st)
	for _, c := range st.changes {
		s.overlay[c.key] = overlaid{c.after, st.rev}
	}
	for k := range blobs {
		s.blobs[k] = st.rev
	}
	s.wake()
}

// encode makes the writes of the transaction.
func (t *Tx) encode(st *staged) error {
	for _, c := range t.changes {
		w, err := t.s.encode(c.key, c.after)
		if err != nil {
			return err
		}
		st.writes = append(st.writes, w)
	}
	for _, k := range slices.SortedFunc(maps.Keys(t.blobs), blobKey.compare) {
		st.writes = append(st.writes, write{bucketBlobs, k.bucket, k.key, t.blobs[k]})
	}
	return nil
}

func (s *Store) encode(k Key, o Object) (write, error) {
	w := write{bucketObjects, k.Kind, diskKey(k), nil}
	if o == nil {
		return w, nil
	}
	b, err := s.codec.Encode(o)
	if err != nil {
		return w, fmt.Errorf("cannot encode %s: %w", k, err)
	}
	w.value = b
	return w, nil
}
