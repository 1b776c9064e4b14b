package reconcile

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

const (
	// eventsWaiting is how many events wait to be written at most; more are dropped and counted in the log.
	eventsWaiting = 1000
	// eventsLag is how long an event waits for others to be written with. What it tells of goes first.
	eventsLag = 10 * time.Millisecond
	// eventMessageMax bounds a message, in bytes.
	eventMessageMax = 1024
)

// RecorderOptions of NewRecorder. Client must be set.
type RecorderOptions struct {
	Client *Client
	// Component that tells the events, such as process-controller.
	Component string
	Log       logr.Logger
}

// Recorder tells what happens to objects, as Events in the namespace default.
//
// Equal events of an object (type, reason and message) are one Event with a count. At most 50 are kept for an object and 5000 in all, those
// that happened last, and each for an hour after it last happened; what is older goes when the next one is written. Events are lazy: lost is
// at most the last second before a crash. Each is a line of the log too, written beside who told it.
type Recorder struct {
	*recorder
	component string
}

// recorder is what the Recorders of all components share.
type recorder struct {
	c   *Client
	log logr.Logger

	mu      sync.Mutex // guards the fields below
	idle    *sync.Cond // on mu: writing became false
	waiting []told
	dropped int
	writing bool
	timer   *time.Timer // begins the writing

	index *eventIndex // used by the goroutine that writes
}

// told is an event as it was told.
type told struct {
	ref                             specs.ObjectReference
	component, typ, reason, message string
	at                              metav1.Time
}

// NewRecorder makes a recorder. There must be one for a store; As gives it to other components.
func NewRecorder(o RecorderOptions) *Recorder {
	r := &recorder{c: o.Client, log: o.Log}
	r.idle = sync.NewCond(&r.mu)
	return &Recorder{r, o.Component}
}

// As is the same recorder for another component.
func (r *Recorder) As(component string) *Recorder { return &Recorder{r.recorder, component} }

// Event tells something of o. typ is Normal or Warning. It never blocks: the event is written about 10 ms later, with those that come
// meanwhile, by another goroutine, which ends when there is no more to write.
func (r *Recorder) Event(o specs.Object, typ, reason, message string) {
	if len(message) > eventMessageMax {
		message = strings.ToValidUTF8(message[:eventMessageMax-3], "") + "..."
	}
	t := told{ref: reference(o), component: r.component, typ: typ, reason: reason, message: message, at: r.c.stamp()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) >= eventsWaiting {
		r.dropped++
		return
	}
	r.waiting = append(r.waiting, t)
	if !r.writing {
		r.writing = true
		r.timer = time.AfterFunc(eventsLag, r.write)
	} else if len(r.waiting) == eventsWaiting/2 && r.timer.Stop() {
		go r.write()
	}
}

// Eventf is Event with a format.
func (r *Recorder) Eventf(o specs.Object, typ, reason, format string, args ...any) {
	r.Event(o, typ, reason, fmt.Sprintf(format, args...))
}

// Flush waits until all that was told is in the store. Call it before the store is closed.
func (r *Recorder) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.writing {
		r.idle.Wait()
	}
}

// write writes what waits, all of it in one transaction at a time, until nothing does.
func (r *recorder) write() {
	for {
		r.mu.Lock()
		batch, dropped := r.waiting, r.dropped
		r.waiting, r.dropped = nil, 0
		if len(batch) == 0 {
			r.writing = false
			r.idle.Broadcast()
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		for _, t := range batch {
			r.log.Info(t.reason, "type", t.typ, "object", strings.ToLower(t.ref.Kind)+"/"+t.ref.Name, "message", t.message)
		}
		if dropped > 0 {
			r.log.Info("too many events at once, some were dropped", "dropped", dropped)
		}
		if r.index == nil {
			r.index = newEventIndex(List[*specs.Event](r.c))
		}
		_, err := r.c.Txn(context.Background(), func(t *ClientTx) error { return r.index.write(t, batch) })
		if err != nil {
			r.index = nil // it is ahead of the store
			r.log.Error(err, "cannot write events", "lost", len(batch))
		}
	}
}

func reference(o specs.Object) specs.ObjectReference {
	ref := specs.ObjectReference{Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID())}
	if s := shapeOf(o); s != nil {
		ref.Kind, ref.APIVersion = s.kind.Kind, s.kind.APIVersion()
	}
	return ref
}
