package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Client reads and writes objects of specs.Kinds by Kubernetes' rules for metadata: uid, creationTimestamp, generation, finalizers, a
// status of its own, and no write where nothing changes.
//
// What it answers is shared with everybody: specs.Copy before changing. What it is given it copies.
//
// Kinds that only the operator writes (Instance, Event) can be told anew from the host, so all their writes are lazy: seen at once, on disk
// about a second later. So is every status. All other writes are durable when the call returns.
type Client struct {
	store *store.Store
	now   func() time.Time
}

// ClientOptions of NewClient.
type ClientOptions struct {
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// NewClient makes a client of the store, which must have been opened with Codec.
func NewClient(s *store.Store, o ClientOptions) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{store: s, now: o.Now}
}

// Store is the store below.
func (c *Client) Store() *store.Store { return c.store }

// KeyOf answers the key of an object, whose kind follows from its Go type.
func KeyOf(o specs.Object) store.Key {
	k := store.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
	if s := shapeOf(o); s != nil {
		k.Kind = s.kind.Kind
	}
	return k
}

// keyFor answers the key of the object of a name. Namespaced kinds live in the namespace default.
func keyFor[T specs.Object](name string) store.Key {
	s := shapes()[reflect.TypeFor[T]().Elem()]
	k := store.Key{Kind: s.kind.Kind, Name: name}
	if s.kind.Namespaced {
		k.Namespace = "default"
	}
	return k
}

// Get answers the object of a name; its kind follows from T.
func Get[T specs.Object](c *Client, name string) (T, bool) {
	o, ok := c.store.Get(keyFor[T](name))
	if !ok {
		var none T
		return none, false
	}
	return o.(T), true
}

// List answers all objects of a kind, sorted by namespace and name; the kind follows from T. The slice is the caller's.
func List[T specs.Object](c *Client) []T {
	list, _ := c.store.List(keyFor[T]("").Kind)
	out := make([]T, len(list))
	for i, o := range list {
		out[i] = o.(T)
	}
	return out
}

// Create adds an object and answers it as stored. It sets uid, creationTimestamp, generation and, from generateName, the name. A status is kept.
// store.ErrExists when there is one of its name.
func (c *Client) Create(ctx context.Context, o specs.Object) (specs.Object, error) {
	return c.one(ctx, func(t *ClientTx) (specs.Object, error) { return t.Create(o) })
}

// Update puts o in place of the object of its name and answers it as stored, the live object when nothing changes. See PrepareUpdate.
func (c *Client) Update(ctx context.Context, o specs.Object) (specs.Object, error) {
	if live, ok := c.store.Get(KeyOf(o)); ok {
		if n, err := c.PrepareUpdate(live, o); err == nil && n == live {
			return live, nil
		}
	}
	return c.one(ctx, func(t *ClientTx) (specs.Object, error) { return t.Update(o) })
}

// UpdateStatus puts the status of o in place of the live one and answers the object as stored, the live object when nothing changes.
// store.ErrConflict when o has a resourceVersion that is old and the status differs; clear it to write all the same.
func (c *Client) UpdateStatus(ctx context.Context, o specs.Object) (specs.Object, error) {
	if live, ok := c.store.Get(KeyOf(o)); ok && shapeOf(o).sameStatus(live, o) {
		return live, nil
	}
	return c.one(ctx, func(t *ClientTx) (specs.Object, error) { return t.UpdateStatus(o) })
}

// Delete removes the object, or, while it has finalizers, sets its deletionTimestamp. store.ErrNotFound when there is none.
func (c *Client) Delete(ctx context.Context, k store.Key) error {
	_, err := c.Txn(ctx, func(t *ClientTx) error { return t.Delete(k) })
	return err
}

func (c *Client) one(ctx context.Context, fn func(*ClientTx) (specs.Object, error)) (out specs.Object, err error) {
	_, err = c.Txn(ctx, func(t *ClientTx) error {
		out, err = fn(t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Txn runs the same verbs over many objects as one revision: all of them or none. What store.Txn says of fn holds here too.
func (c *Client) Txn(ctx context.Context, fn func(*ClientTx) error) (int64, error) {
	return c.store.Txn(ctx, func(t *store.Tx) error { return fn(&ClientTx{c: c, t: t}) })
}

// errKind says that the object's Go type is in no row of specs.Kinds.
func errKind(o specs.Object) error { return fmt.Errorf("cannot store %T: no such kind", o) }
