package stack

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Files is where manifests come from: a source.Source.
type Files interface {
	Latest() *source.Snapshot
	Changed() <-chan struct{}
	SetExclude(func(rel string, dir bool) bool)
}

// Options of New. Client, Files and Root must be set.
type Options struct {
	Client *reconcile.Client
	Files  Files
	// Root is the manifest directory, absolute.
	Root string
	// Index is told what is declared where; nil makes one of its own.
	Index *admit.Index
	// Event tells what happened to a Stack, as reconcile.Recorder does.
	Event func(o specs.Object, typ, reason, message string)
	// Audit records what somebody asked for. Without it nothing is recorded.
	Audit func(*audit.Record) error
	// Planner says what changed objects lead to on the host, as plan.Run does. Without it a plan has the objects' own steps alone.
	Planner func(ctx context.Context, changed []plan.Changed) ([]plan.Step, error)
	// Memory of the host in bytes, which what is declared must fit into. Default: not known, nothing is held to it.
	Memory int64
	// Moved is called for every object in force whose file is in another directory than before, while the object may be the same.
	Moved func(store.Key)
	// Boot names this boot of the host; empty where that cannot be told.
	Boot string
	// Quiet is how long nothing must have changed before removals count. Default 2 s.
	Quiet time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// gitPatience is how long git may be at work before somebody is told.
const gitPatience = 30 * time.Second

// Reconciler is the applier of all Stacks.
type Reconciler struct {
	o     Options
	index *admit.Index
	wake  chan struct{}
	// rollouts by stack, as they are in the receipts.
	rollouts atomic.Pointer[map[string]*specs.Rollout]

	mu sync.Mutex // guards everything below; held while a Stack is reconciled, planned or applied
	disk
	stacks map[string]*state
	// dirty are Stacks that must be looked at because of something else than their own object.
	dirty map[string]bool
	plans plans
}

// New makes the reconciler and reads back what is in force. It applies nothing.
func New(o Options) *Reconciler {
	if o.Index == nil {
		o.Index = &admit.Index{}
	}
	if o.Event == nil {
		o.Event = func(specs.Object, string, string, string) {}
	}
	if o.Audit == nil {
		o.Audit = func(*audit.Record) error { return nil }
	}
	if o.Moved == nil {
		o.Moved = func(store.Key) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Quiet == 0 {
		o.Quiet = 2 * time.Second
	}
	r := &Reconciler{o: o, index: o.Index, wake: make(chan struct{}, 1), stacks: map[string]*state{}, dirty: map[string]bool{}}
	r.disk.init()
	r.restore()
	r.publish()
	return r
}

// Index tells what is declared where.
func (r *Reconciler) Index() *admit.Index { return r.index }

// Controller is what the manager runs.
func (r *Reconciler) Controller() reconcile.Controller {
	c := reconcile.Controller{Name: "stack", Kind: "Stack", Reconciler: r, Sources: []reconcile.Source{feeder{r}}}
	for _, kind := range declaredKinds() {
		c.Watches = append(c.Watches, reconcile.Watch{Kind: kind, Map: r.owners})
	}
	return c
}

// declaredKinds are those that a file of a Stack may declare.
func declaredKinds() []string {
	var kinds []string
	for _, k := range specs.Kinds {
		if k.Declarable() && k.Kind != "Stack" {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds
}

// owners are the Stacks that a change of an object concerns: the one it belongs to, and the one it did.
func (r *Reconciler) owners(e store.Event) []reconcile.Request {
	var out []reconcile.Request
	name := e.Object.GetLabels()[specs.LabelStack]
	if name != "" {
		out = append(out, request(name))
	}
	if e.Old != nil {
		if old := e.Old.GetLabels()[specs.LabelStack]; old != name && old != "" {
			out = append(out, request(old))
		}
	}
	if e.Type != store.Modified && name == "" {
		r.retryRefused()
	}
	return out
}

// retryRefused looks again at refused sets: an object made through the API came or went, and may have been what they lacked.
func (r *Reconciler) retryRefused() {
	r.refusedAgain.Store(true)
	r.kick()
}

func request(name string) reconcile.Request { return reconcile.Request{Kind: "Stack", Name: name} }

// feeder makes requests of changes in the files.
type feeder struct{ r *Reconciler }

// Run looks at the files whenever they change, and asks for the Stacks that this concerns.
func (f feeder) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	for {
		for _, q := range f.r.Look() {
			enqueue(q, queue.Edit)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.r.o.Files.Changed():
		case <-f.r.wake:
		}
	}
}

// Look looks at the newest snapshot and answers the Stacks that must be reconciled because of it, or because of each other.
func (r *Reconciler) Look() []reconcile.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	var out []reconcile.Request
	for name := range r.dirty {
		out = append(out, request(name))
	}
	clear(r.dirty)
	return out
}

func (r *Reconciler) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Reconcile brings what is in force of one Stack to what its files hold, as far as the Stack lets it.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	delete(r.dirty, q.Name)
	defer func() {
		if len(r.dirty) > 0 {
			r.kick()
		}
	}()
	s := r.stacks[q.Name]
	if s == nil || r.snap == nil {
		return reconcile.Result{}, nil
	}
	after, err := r.sync(ctx, s, act{})
	if r.stacks[q.Name] != s {
		return reconcile.Result{}, err // it is gone
	}
	again, statusErr := r.report(ctx, s, err)
	if err == nil {
		err = statusErr
	}
	return reconcile.Result{RequeueAfter: sooner(after, again)}, err
}

// sooner is the shorter of two waits; none is 0.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// stackObject answers the object of a Stack.
func (r *Reconciler) stackObject(name string) (*specs.Stack, error) {
	o, ok := reconcile.Get[*specs.Stack](r.o.Client, name)
	if !ok {
		return nil, fmt.Errorf("stack/%s: %w", name, store.ErrNotFound)
	}
	return o, nil
}

func (r *Reconciler) get(k store.Key) (specs.Object, bool) {
	o, ok := r.o.Client.Store().Get(k)
	return o, ok
}

func (r *Reconciler) list(kind string) []specs.Object {
	list, _ := r.o.Client.Store().List(kind)
	out := make([]specs.Object, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}
