package store

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

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
