package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
)

// follow turns the changes in the store into requests until ctx ends or the store is closed.
func (m *Manager) follow(ctx context.Context) error {
	kinds := []string{}
	for _, c := range m.controllers {
		kinds = append(kinds, c.Kind)
		for _, w := range c.Watches {
			kinds = append(kinds, w.Kind)
		}
	}
	slices.Sort(kinds)
	f := &follower{m: m}
	return f.run(ctx, slices.Compact(kinds))
}

// follower knows the objects as the controllers were told of them last, so that nothing is missed when the watch falls behind.
type follower struct {
	m     *Manager
	known map[store.Key]store.Object
}

func (f *follower) run(ctx context.Context, kinds []string) error {
	for {
		list, w := f.m.o.Client.store.ListWatch(kinds)
		f.relist(list)
		err := f.watch(ctx, w)
		w.Close()
		if !errors.Is(err, store.ErrGone) {
			return err
		}
		f.m.o.Log.V(1).Info("watch fell behind, listing again")
	}
}

func (f *follower) watch(ctx context.Context, w *store.Watch) error {
	for {
		events, err := w.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range events {
			k := store.Key{Kind: e.Kind, Namespace: e.Object.GetNamespace(), Name: e.Object.GetName()}
			if e.Type == store.Deleted {
				delete(f.known, k)
			} else {
				f.known[k] = e.Object
			}
			f.m.route(k, e, urgency(e), queue.Normal)
		}
	}
}

// relist tells the controllers what is different from what they were told. The first time that is everything, at the lowest priority.
func (f *follower) relist(list []store.Object) {
	first := f.known == nil
	old := f.known
	f.known = make(map[store.Key]store.Object, len(list))
	for _, o := range list {
		k := KeyOf(o)
		f.known[k] = o
		before, had := old[k]
		delete(old, k)
		e := store.Event{Type: store.Added, Kind: k.Kind, Object: o}
		switch {
		case first:
			f.m.route(k, e, queue.Resync, queue.Resync)
			continue
		case had && before == o:
			continue
		case had:
			e.Type, e.Old = store.Modified, before
		}
		f.m.route(k, e, urgency(e), queue.Normal)
	}
	for k, o := range old {
		f.m.route(k, store.Event{Type: store.Deleted, Kind: k.Kind, Object: o, Old: o}, queue.Edit, queue.Normal)
	}
}

// route queues what an event asks for: the object itself with priority own, what watches map it to with priority mapped.
func (m *Manager) route(k store.Key, e store.Event, own, mapped queue.Priority) {
	for _, c := range m.controllers {
		if c.Kind == e.Kind && own != nobody {
			c.queue.Add(k, own)
		}
		for _, w := range c.Watches {
			if w.Kind != e.Kind {
				continue
			}
			for _, r := range c.mapped(w, e) {
				c.queue.Add(r, mapped)
			}
		}
	}
}

// mapped calls a Map. One that panics costs its requests, not the operator.
func (c *running) mapped(w Watch, e store.Event) (out []Request) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error(fmt.Errorf("panic: %v", p), "cannot map event", "kind", e.Kind, "name", e.Object.GetName(), "stack", string(debug.Stack()))
			out = nil
		}
	}()
	return w.Map(e)
}

// nobody of the object's own kind need look.
const nobody = queue.Priority(-1)

// urgency is the priority of an event for the controllers of its own kind: nobody when only status changed of a kind with generation.
func urgency(e store.Event) queue.Priority {
	if e.Type != store.Modified || e.Old == nil {
		return queue.Edit
	}
	a, b := e.Old, e.Object
	switch {
	case b.GetGeneration() == 0:
		return queue.Normal
	case a.GetGeneration() != b.GetGeneration(), a.GetUID() != b.GetUID(), a.GetDeletionTimestamp().IsZero() != b.GetDeletionTimestamp().IsZero():
		return queue.Edit
	case sameMeta(a, b):
		return nobody
	}
	return queue.Edit
}
