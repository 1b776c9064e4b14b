package reconcile

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

const (
	eventsPerObject = 50
	eventsInAll     = 5000
	eventTTL        = time.Hour
)

// eventIndex knows the Events in the store by what they tell of and when they happened last.
type eventIndex struct {
	byName   map[string]*list.Element
	byAge    *list.List // of *indexed, the one that happened longest ago first
	byObject map[string]*list.List
}

// indexed is one Event.
type indexed struct {
	name, object string
	last         metav1.Time
	inObject     *list.Element // in byObject, in the same order as in byAge
}

func newEventIndex(events []*specs.Event) *eventIndex {
	x := &eventIndex{byName: map[string]*list.Element{}, byAge: list.New(), byObject: map[string]*list.List{}}
	slices.SortStableFunc(events, func(a, b *specs.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	for _, e := range events {
		x.touch(e.Name, objectID(e.InvolvedObject), e.LastTimestamp)
	}
	return x
}

// touch notes that an Event happened now.
func (x *eventIndex) touch(name, object string, at metav1.Time) {
	if el := x.byName[name]; el != nil {
		in := el.Value.(*indexed)
		in.last = at
		x.byAge.MoveToBack(el)
		x.byObject[object].MoveToBack(in.inObject)
		return
	}
	of := x.byObject[object]
	if of == nil {
		of = list.New()
		x.byObject[object] = of
	}
	in := &indexed{name: name, object: object, last: at}
	in.inObject = of.PushBack(in)
	x.byName[name] = x.byAge.PushBack(in)
}

func (x *eventIndex) remove(in *indexed) {
	x.byAge.Remove(x.byName[in.name])
	delete(x.byName, in.name)
	of := x.byObject[in.object]
	of.Remove(in.inObject)
	if of.Len() == 0 {
		delete(x.byObject, in.object)
	}
}

// write puts what was told in the store, and drops what is too old or too much.
func (x *eventIndex) write(t *ClientTx, batch []told) error {
	for _, n := range batch {
		name := n.eventName()
		if err := n.write(t, name); err != nil {
			return err
		}
		object := objectID(n.ref)
		x.touch(name, object, n.at)
		if of := x.byObject[object]; of.Len() > eventsPerObject {
			if err := x.drop(t, of.Front().Value.(*indexed)); err != nil {
				return err
			}
		}
	}
	old := batch[len(batch)-1].at.Add(-eventTTL)
	for el := x.byAge.Front(); el != nil; el = x.byAge.Front() {
		in := el.Value.(*indexed)
		if x.byAge.Len() <= eventsInAll && !in.last.Time.Before(old) {
			break
		}
		if err := x.drop(t, in); err != nil {
			return err
		}
	}
	return nil
}

func (x *eventIndex) drop(t *ClientTx, in *indexed) error {
	x.remove(in)
	err := t.Delete(eventKey(in.name))
	if errors.Is(err, store.ErrNotFound) { // somebody else deleted it
		return nil
	}
	return err
}

// write counts the Event up, or makes it.
func (n *told) write(t *ClientTx, name string) error {
	if live, ok := t.Get(eventKey(name)); ok {
		e := shallow(live).(*specs.Event)
		e.Count++
		e.LastTimestamp = n.at
		_, err := t.Update(e)
		return err
	}
	e := &specs.Event{
		InvolvedObject: n.ref, Reason: n.reason, Message: n.message, Type: n.typ,
		Source: specs.EventSource{Component: n.component}, ReportingComponent: n.component,
		FirstTimestamp: n.at, LastTimestamp: n.at, Count: 1,
	}
	e.Name, e.Namespace = name, "default"
	_, err := t.Create(e)
	return err
}

// eventName is the same for equal events, and different for others.
func (n *told) eventName() string {
	h := fnv.New64a()
	for _, s := range []string{n.ref.Kind, n.ref.Namespace, n.ref.UID, n.component, n.typ, n.reason, n.message} {
		fmt.Fprintf(h, "%d %s", len(s), s)
	}
	return fmt.Sprintf("%s.%016x", n.ref.Name, h.Sum64())
}

func eventKey(name string) store.Key {
	return store.Key{Kind: "Event", Namespace: "default", Name: name}
}

func objectID(r specs.ObjectReference) string {
	return r.Kind + "/" + r.Namespace + "/" + cmp.Or(r.UID, r.Name)
}
