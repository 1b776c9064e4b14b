package reconcile

import (
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// ClientTx is a running transaction of a Client. Its verbs are the Client's.
type ClientTx struct {
	c *Client
	t *store.Tx
}

// Get answers the object as this transaction sees it.
func (t *ClientTx) Get(k store.Key) (specs.Object, bool) {
	o, ok := t.t.Get(k)
	return o, ok
}

// List answers the objects of a kind as this transaction sees them, sorted by namespace and name.
func (t *ClientTx) List(kind string) []specs.Object {
	list := t.t.List(kind)
	out := make([]specs.Object, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

// Create adds an object, as Client.Create.
func (t *ClientTx) Create(o specs.Object) (specs.Object, error) {
	n, err := t.c.PrepareCreate(o)
	if err != nil {
		return nil, err
	}
	kind := shapeOf(n).kind
	if kind.OperatorOnly {
		return n, t.t.CreateLazy(n, kind.Kind)
	}
	return n, t.t.Create(n, kind.Kind)
}

// Update replaces an object, as Client.Update.
func (t *ClientTx) Update(o specs.Object) (specs.Object, error) {
	k := KeyOf(o)
	live, ok := t.t.Get(k)
	if !ok {
		return nil, notFound(k)
	}
	n, err := t.c.PrepareUpdate(live, o)
	if err != nil || n == live {
		return n, err
	}
	if n.GetDeletionTimestamp() != nil && len(n.GetFinalizers()) == 0 {
		return n, t.remove(k)
	}
	if shapeOf(n).kind.OperatorOnly {
		return n, t.t.UpdateLazy(n, k.Kind)
	}
	return n, t.t.Update(n, k.Kind)
}

// UpdateStatus replaces a status, as Client.UpdateStatus.
func (t *ClientTx) UpdateStatus(o specs.Object) (specs.Object, error) {
	k := KeyOf(o)
	live, ok := t.t.Get(k)
	if !ok {
		return nil, notFound(k)
	}
	n, err := t.c.PrepareStatus(live, o)
	if err != nil || n == live {
		return n, err
	}
	return n, t.t.UpdateLazy(n, k.Kind)
}

// Delete removes an object, as Client.Delete.
func (t *ClientTx) Delete(k store.Key) error {
	live, ok := t.t.Get(k)
	if !ok {
		return notFound(k)
	}
	n := t.c.PrepareDelete(live)
	switch {
	case n == nil:
		return t.remove(k)
	case n == live:
		return nil
	}
	return t.t.Update(n, k.Kind)
}

func (t *ClientTx) remove(k store.Key) error {
	if kind := specs.KindOf(k.Kind); kind != nil && kind.OperatorOnly {
		return t.t.DeleteLazy(k)
	}
	return t.t.Delete(k)
}

// PutBlob stores bytes with the transaction, durable and not watched. The value is the store's from then on.
func (t *ClientTx) PutBlob(bucket, key string, value []byte) { t.t.PutBlob(bucket, key, value) }

// DeleteBlob removes a blob. That there is none is no error.
func (t *ClientTx) DeleteBlob(bucket, key string) { t.t.DeleteBlob(bucket, key) }
