package gate

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Options of New. Client, Recorder, Sockets, Line, Audit, StateDir and RunDir must be set.
type Options struct {
	Client   *reconcile.Client
	Recorder Recorder
	Sockets  Sockets
	Line     Line
	// Audit is the operator's own chain: who made or revoked a token.
	Audit audit.Writer
	// StateDir and RunDir are the operator's.
	StateDir, RunDir string
	// Workloads answers what runs, but for the principals. Default: nothing.
	Workloads func() []Workload
	// Dir answers the directory that relative paths of an object start from. Default: none.
	Dir func(kind, name string) string
	// Place answers where an object is declared, as gate.yaml:88; empty when it is in no file. Default: nowhere.
	Place func(kind, name string) string
	// Find looks a request up in the audit log: its decision and its outcome, nil when there is none (yet).
	Find func(ctx context.Context, request string) (decision, outcome *audit.Record, err error)
	// Budgeted is called when what Budgets answers has changed. Default: nobody is told.
	Budgeted func()
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// Recorder tells events; *reconcile.Recorder is one.
type Recorder interface {
	Event(o specs.Object, typ, reason, message string)
}

// Sockets owns the listening sockets.
type Sockets interface {
	// Ensure makes the sockets that are wanted, by name, each at an IP address and port or at unix:PATH, and closes the others. It answers
	// where each is, and why one is not.
	Ensure(wanted map[string]string) (bound, faults map[string]string)
	// Names of all, Admit takes one that was made elsewhere, which stays until Settle and then as long as it is wanted.
	Names() []string
	Admit(name string, f *os.File) error
	Settle(name string)
}

// Line is the way to the gates.
type Line interface {
	// Running is what each gate that is connected runs, as it last told.
	Running() []control.Running
	// Reload has every connected gate load the files, and waits until each has answered or ctx ends.
	Reload(ctx context.Context)
}

// Workload is an instance that runs.
type Workload struct {
	Instance, Process string
	PID               int
	// Cgroup as <parent>/<name>, the last of its path, and CgroupID the kernel's number of it; Inode of its pidfd. Zero where there is none.
	Cgroup          string
	CgroupID, Inode uint64
}

// Reconciler keeps the data plane as the objects have it. It is safe for many callers; one worker runs it.
type Reconciler struct {
	o         Options
	tokens    *tokens
	instances *instances
	checks    checkTokens
	// active: there is something for a gate to do, so that changes of processes matter.
	active atomic.Bool
	// began is when this operator did, and inherited the addresses that served then. Neither changes.
	began     time.Time
	inherited map[string][]string

	mu        sync.Mutex // guards the fields below
	docs      documents
	wanted    map[string]string
	bound     map[string]string
	ensured   time.Time
	faults    map[string]string
	unwritten string
	routes    map[string]bool // that are ready
	budgets   Budgets
	counted   map[string]counts // by gate process
	enqueue   func(reconcile.Request, queue.Priority)
	waiting   []chan error
	news      chan struct{} // closed, and another, after each look
}

// settleTime is how long a new operator has to find out which instances are ready. Until then what served before it goes on to be served: what
// was ready in the last second before an operator died is nowhere on the disk but in the endpoints.
const settleTime = 2 * time.Second

// documents are what the four files hold.
type documents struct {
	config     proxy.Config
	endpoints  proxy.Endpoints
	identities proxy.Identities
	budgets    ledger.Config
}

// New makes a reconciler over the files that an earlier one wrote.
func New(o Options) (*Reconciler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Budgeted == nil {
		o.Budgeted = func() {}
	}
	r := &Reconciler{o: o, counted: map[string]counts{}, news: make(chan struct{}), checks: checkTokens{text: map[string]checkToken{}}}
	known, err := r.read()
	if err != nil {
		return nil, err
	}
	r.began, r.inherited = o.Now(), r.docs.endpoints.Ready
	r.tokens = newTokens(known)
	r.tokens.drop(isCheck) // nobody has their text any more
	r.instances = &instances{tokens: r.tokens, dir: filepath.Join(o.RunDir, "tokens"), now: o.Now, changed: r.Changed}
	return r, nil
}

// request is the only one: all objects are one configuration.
var request = reconcile.Request{Kind: "Gate"}

// Controllers run the reconciler.
func (r *Reconciler) Controllers() []reconcile.Controller {
	all := func(store.Event) []reconcile.Request { return []reconcile.Request{request} }
	ifActive := func(e store.Event) []reconcile.Request {
		if r.active.Load() || hasServicePort(e.Object) {
			return []reconcile.Request{request}
		}
		return nil
	}
	watches := []reconcile.Watch{{Kind: "Route", Map: all}, {Kind: "GateRule", Map: all}, {Kind: "Principal", Map: all}, {Kind: "TokenBudget", Map: all},
		{Kind: "Process", Map: ifActive}, {Kind: "Instance", Map: ifActive}, {Kind: "Stack", Map: ifActive}, {Kind: "Check", Map: ofRoutes}}
	return []reconcile.Controller{{Name: "gate", Kind: "Gate", Reconciler: r, Watches: watches, Sources: []reconcile.Source{source(r.feed)}}}
}

// source is a reconcile.Source of a function.
type source func(context.Context, func(reconcile.Request, queue.Priority)) error

func (s source) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	return s(ctx, enqueue)
}

// feed lets Changed ask.
func (r *Reconciler) feed(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	r.mu.Lock()
	r.enqueue = enqueue
	r.mu.Unlock()
	enqueue(request, queue.Normal)
	<-ctx.Done()
	return nil
}

// Changed asks for another look: a token, a socket or what a gate runs changed. It never blocks.
func (r *Reconciler) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.enqueue != nil {
		r.enqueue(request, queue.Edit)
	}
}

func hasServicePort(o store.Object) bool {
	p, ok := o.(*specs.Process)
	if !ok {
		return false
	}
	for _, port := range p.Spec.Ports {
		if port.ServicePort != 0 {
			return true
		}
	}
	return false
}

// maxRounds is how often one reconcile decides anew.
const maxRounds = 5

// Reconcile brings the data plane to what all objects together declare. The request says nothing: there is but one data plane.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (res reconcile.Result, failed error) {
	waiting := r.takeWaiting()
	defer func() {
		for _, w := range waiting {
			w <- failed // there is room for one
		}
		r.tell()
	}()
	for round := 0; ; round++ {
		o := r.observe()
		r.active.Store(o.active())
		d := decide(o)
		r.keepBudgets(o, &d)
		if !d.acts() || failed != nil || round == maxRounds || ctx.Err() != nil {
			if err := r.write(ctx, o, &d); err != nil && failed == nil {
				failed = err
			}
			return d.Result, failed
		}
		failed = r.apply(ctx, o, &d)
	}
}

// takeWaiting answers who waits for a look that begins now.
func (r *Reconciler) takeWaiting() []chan error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.waiting
	r.waiting = nil
	return w
}

// tell wakes who waits for the next look to be over.
func (r *Reconciler) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.news)
	r.news = make(chan struct{})
}

// Settle asks for another look and waits until it is over: what was changed before is in force then at every gate that answers. The
// error is that look's.
func (r *Reconciler) Settle(ctx context.Context) error {
	w := make(chan error, 1)
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()
	r.Changed()
	select {
	case err := <-w:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SocketsChanged has the sockets asked for again: one was had of a gate that nobody else has.
func (r *Reconciler) SocketsChanged() {
	r.mu.Lock()
	r.wanted = nil
	r.mu.Unlock()
	r.Changed()
}
