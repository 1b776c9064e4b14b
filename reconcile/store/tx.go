package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
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
	if err != nil || st == nil {
		return rev, err
	}
	<-st.done
	if st.err != nil {
		return 0, st.err
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
		return nil, 0, err
	}
	return t.finish()
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

// Get answers the object as this transaction sees it.
func (t *Tx) Get(k Key) (Object, bool) {
	o := t.get(k)
	return o, o != nil
}

func (t *Tx) get(k Key) Object {
	if c := t.byKey[k]; c != nil {
		return c.after
	}
	t.s.mu.RLock()
	defer t.s.mu.RUnlock()
	if o, ok := t.s.overlay[k]; ok {
		return o.obj
	}
	return t.s.tables[k.Kind].get(k)
}

// List answers the objects of a kind as this transaction sees them, sorted by namespace and name.
func (t *Tx) List(kind string) []Object {
	t.s.mu.RLock()
	list := t.s.tables[kind].list(nil)
	changed := map[Key]Object{}
	for k, o := range t.s.overlay {
		if k.Kind == kind {
			changed[k] = o.obj
		}
	}
	t.s.mu.RUnlock()
	for _, c := range t.changes {
		if c.key.Kind == kind {
			changed[c.key] = c.after
		}
	}
	if len(changed) == 0 {
		return list
	}
	list = slices.DeleteFunc(list, func(o Object) bool {
		_, ok := changed[Key{kind, o.GetNamespace(), o.GetName()}]
		return ok
	})
	for _, o := range changed {
		if o != nil {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b Object) int {
		return compareEntries(&entry{ns: a.GetNamespace(), name: a.GetName()}, &entry{ns: b.GetNamespace(), name: b.GetName()})
	})
	return list
}

// Create adds an object; ErrExists when there is one.
func (t *Tx) Create(o Object, kind string) error { return t.create(o, kind, true) }

// CreateLazy adds an object, written to disk later; ErrExists when there is one.
func (t *Tx) CreateLazy(o Object, kind string) error { return t.create(o, kind, false) }

func (t *Tx) create(o Object, kind string, durable bool) error {
	k := Key{kind, o.GetNamespace(), o.GetName()}
	if t.get(k) != nil {
		return fmt.Errorf("%s: %w", k, ErrExists)
	}
	t.put(k, nil, o, durable)
	return nil
}

// Update puts o in place of the object of its name. ErrNotFound when there is none; ErrConflict when o has a resourceVersion
// and it is not the object's. The very object that is there already changes nothing.
func (t *Tx) Update(o Object, kind string) error { return t.update(o, kind, true) }

// UpdateLazy is Update, written to disk later.
func (t *Tx) UpdateLazy(o Object, kind string) error { return t.update(o, kind, false) }

func (t *Tx) update(o Object, kind string, durable bool) error {
	k := Key{kind, o.GetNamespace(), o.GetName()}
	old := t.get(k)
	if old == nil {
		return fmt.Errorf("%s: %w", k, ErrNotFound)
	}
	if old == o {
		return nil
	}
	if rv := o.GetResourceVersion(); rv != "" && rv != old.GetResourceVersion() {
		return fmt.Errorf("%s: %w", k, ErrConflict)
	}
	t.put(k, old, o, durable)
	return nil
}

// Delete removes an object; ErrNotFound when there is none.
func (t *Tx) Delete(k Key) error { return t.delete(k, true) }

// DeleteLazy is Delete, written to disk later.
func (t *Tx) DeleteLazy(k Key) error { return t.delete(k, false) }

func (t *Tx) delete(k Key, durable bool) error {
	old := t.get(k)
	if old == nil {
		return fmt.Errorf("%s: %w", k, ErrNotFound)
	}
	t.put(k, old, nil, durable)
	return nil
}

// put notes a change; before is what the transaction saw until now.
func (t *Tx) put(k Key, before, after Object, durable bool) {
	if after != nil {
		after.SetResourceVersion(strconv.FormatInt(t.rev, 10))
	}
	t.durable = t.durable || durable
	if c := t.byKey[k]; c != nil {
		c.recreated = c.recreated || c.after == nil && c.before != nil
		c.after = after
		return
	}
	if t.byKey == nil {
		t.byKey = map[Key]*change{}
	}
	c := &change{key: k, before: before, after: after}
	t.byKey[k] = c
	t.changes = append(t.changes, c)
}

// PutBlob stores bytes under a name of their own: durable with the transaction, not watched, not kept in memory. The value is the store's.
func (t *Tx) PutBlob(bucket, key string, value []byte) {
	if value == nil {
		value = []byte{}
	}
	t.blob(blobKey{bucket, key}, value)
}

// DeleteBlob removes a blob. That there is none is no error.
func (t *Tx) DeleteBlob(bucket, key string) { t.blob(blobKey{bucket, key}, nil) }

func (t *Tx) blob(k blobKey, value []byte) {
	if t.blobs == nil {
		t.blobs = map[blobKey][]byte{}
	}
	t.blobs[k] = value
}

// dropSameBlobs leaves out the blobs that are as they were.
func (t *Tx) dropSameBlobs() error {
	for k, v := range t.blobs {
		t.s.mu.RLock()
		_, pending := t.s.blobs[k]
		t.s.mu.RUnlock()
		if pending {
			continue
		}
		old, ok, err := t.s.readBlob(k)
		if err != nil {
			return err
		}
		if ok == (v != nil) && bytes.Equal(old, v) {
			delete(t.blobs, k)
		}
	}
	t.durable = t.durable || len(t.blobs) > 0
	return nil
}
