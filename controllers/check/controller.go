package check

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Options of New. Client, Recorder, Ask and Gates must be set.
type Options struct {
	Client   *reconcile.Client
	Recorder Recorder
	// Ask asks every running copy of a process once: those of a revision, by its template hash, or of the one in force when it is empty. It answers
	// ErrStopped when none is to run, store.ErrNotFound when there is no such process, and nothing when none runs that should.
	Ask func(ctx context.Context, process, revision string, h *specs.Handler, timeout time.Duration) ([]Answer, error)
	// Gates are asked the prompts.
	Gates Gates
	// Parallel is how many runs there may be at once. Default 4.
	Parallel int
	// Now is the clock, with its monotonic reading. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// Recorder tells events; *reconcile.Recorder is one.
type Recorder interface {
	Event(o specs.Object, typ, reason, message string)
}

// Reconciler runs Checks. It is safe for many workers, each with another check.
type Reconciler struct {
	o     Options
	slots chan struct{} // one for each run under way
	wake  chan struct{} // something is in starts

	mu       sync.Mutex // guards all below
	memories map[string]*memory
	starts   []*memory
	enqueue  func(reconcile.Request, queue.Priority)
}

// memory is what is remembered of one check between looks, as long as it is declared the same.
type memory struct {
	check *specs.Check
	// turn is held by the one run of the check that there is at a time.
	turn chan struct{}
	// gone is closed when the check is gone, or declared otherwise.
	gone chan struct{}

	// The fields below are guarded by Reconciler.mu.
	running   bool
	last, due time.Time
	result    *specs.CheckRun
}

// New makes a reconciler.
func New(o Options) *Reconciler {
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	return &Reconciler{o: o, slots: make(chan struct{}, o.Parallel), wake: make(chan struct{}, 1), memories: map[string]*memory{}}
}

// Controller runs the reconciler. It looks again when what a check looks at comes or goes.
func (r *Reconciler) Controller() reconcile.Controller {
	return reconcile.Controller{Name: "check", Kind: "Check", Workers: 2, Reconciler: r, Sources: []reconcile.Source{r},
		Watches: []reconcile.Watch{{Kind: "Process", Map: r.watching}, {Kind: "Route", Map: r.watching}}}
}

// watching are the checks that look at an object which came or went.
func (r *Reconciler) watching(e store.Event) []reconcile.Request {
	if e.Type == store.Modified {
		return nil
	}
	var out []reconcile.Request
	for _, c := range reconcile.List[*specs.Check](r.o.Client) {
		for _, ref := range c.References() {
			if ref.Kind == e.Kind && ref.Name == e.Object.GetName() {
				out = append(out, request(c.Name))
			}
		}
	}
	return out
}

func request(name string) reconcile.Request { return reconcile.Request{Kind: "Check", Name: name} }

func (r *Reconciler) now() time.Time {
	if r.o.Now != nil {
		return r.o.Now()
	}
	return time.Now()
}

// Reconcile brings the status of one check up to date, and starts a run when it is time.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	c, ok := reconcile.Get[*specs.Check](r.o.Client, req.Name)
	m := r.memory(req.Name, c)
	if !ok {
		return reconcile.Result{}, nil
	}
	o := &observed{Now: r.now(), Check: c, Offset: offset(c.UID)}
	for _, ref := range c.References() {
		if _, ok := r.o.Client.Store().Get(store.Key{Kind: ref.Kind, Name: ref.Name}); !ok {
			o.Absent = specs.KindOf(ref.Kind).Singular + "/" + ref.Name
		}
	}
	r.mu.Lock()
	o.Running, o.Result, o.Last, o.Due = m.running, m.result, m.last, m.due
	r.mu.Unlock()
	d := decide(o)
	if err := r.write(ctx, c, &d); err != nil {
		return reconcile.Result{}, fmt.Errorf("cannot write the status of Check %q: %w", c.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.result == o.Result {
		m.result = nil
	} else {
		d.Result.RequeueAfter = time.Millisecond // another run ended meanwhile
	}
	m.due = d.Due
	if d.Start && !m.running {
		m.running = true
		r.starts = append(r.starts, m)
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return d.Result, nil
}

// write writes the status when it says something else, and then tells the event.
func (r *Reconciler) write(ctx context.Context, c *specs.Check, d *decision) error {
	n := specs.Copy(c)
	n.Status = d.Status
	n.SetResourceVersion("")
	if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			return nil // it went just now
		}
		return err
	}
	if d.News != nil {
		r.o.Recorder.Event(c, d.News.kind, d.News.reason, d.News.message)
	}
	return nil
}

// memory of a check as it is declared now; the one of an earlier declaration goes, and its run ends.
func (r *Reconciler) memory(name string, c *specs.Check) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.memories[name]
	if m != nil && c != nil && m.check.UID == c.UID && m.check.Generation == c.Generation {
		return m
	}
	if m != nil {
		close(m.gone)
		delete(r.memories, name)
	}
	if c == nil {
		return nil
	}
	m = &memory{check: c, turn: make(chan struct{}, 1), gone: make(chan struct{})}
	r.memories[name] = m
	return m
}

// offset is a number from 0 to 1 of a check's own.
func offset(uid types.UID) float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid)) // it never fails
	return float64(h.Sum32()) / (1 << 32)
}
