package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/specs"
)

// Options of New. Client, Recorder, Runtime, Logs and StateDir must be set.
type Options struct {
	Client   *reconcile.Client
	Recorder Recorder
	Runtime  Runtime
	Logs     LogKeeper
	// Gate gives instances what they need at the gates. Default: there are none.
	Gate Gate
	// StateDir holds data/, where state directories are made.
	StateDir string
	// Programs is the directory of the operator's own programs, first in the PATH of processes. Default: none.
	Programs string
	// Dir answers the directory that relative paths of a process start from; empty when it is not known (yet). Default: the annotation.
	Dir func(*specs.Process) string
	// Sandbox is what this host can confine programs by. Default: it is found out.
	Sandbox *sandbox.Host
	// Revision answers the revision of the Stack that a process comes from. Default: none.
	Revision func(*specs.Process) string
	// Down: begin with everything being stopped, as after Shutdown, which is called later.
	Down bool
	// Now is the clock, with its monotonic reading. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// Reconciler keeps processes running. It is safe for many workers, each with another process.
type Reconciler struct {
	client   *reconcile.Client
	events   Recorder
	runtime  Runtime
	logs     LogKeeper
	resolver resolver
	ports    *ports
	files    *files
	digests  *digests
	prober   *prober
	tasks    *tasks
	o        Options
	down     atomic.Bool
	view     plan.View
	rooms    sync.Pool // *[]instance: what a reconcile looks at, and nobody after it

	mu       sync.Mutex // guards the fields below
	memories map[string]*memory
	needed   map[string]map[string]bool // processes that depend on a process, or on a route or gate as route/NAME or gate/NAME
	live     map[string]bool            // processes with a live run
	looked   map[string]bool            // processes whose status this operator has made sure of
	enqueue  func(reconcile.Request, queue.Priority)
}

// New makes a reconciler over what the store and the runtime have.
func New(o Options) *Reconciler {
	if o.Sandbox == nil {
		o.Sandbox = sandbox.Probe()
	}
	r := &Reconciler{client: o.Client, events: o.Recorder, runtime: o.Runtime, logs: o.Logs, o: o,
		resolver: resolver{stateDir: o.StateDir, programs: o.Programs, self: ownAccount(), zone: hostZone(), host: o.Sandbox},
		view:     plan.Live(o.Client.Store()),
		memories: map[string]*memory{}, needed: map[string]map[string]bool{}, live: map[string]bool{}, looked: map[string]bool{}}
	changed := func(name string) { r.ask(name, queue.Normal) }
	r.files, r.digests = newFiles(o.Log, changed), newDigests(changed)
	r.ports = newPorts(changed)
	r.prober, r.tasks = newProber(changed), newTasks()
	r.down.Store(o.Down)
	r.remember()
	return r
}

// Controller runs the reconciler.
func (r *Reconciler) Controller() reconcile.Controller {
	return reconcile.Controller{Name: "process", Kind: "Process", Workers: 4, Reconciler: r,
		Watches: []reconcile.Watch{{Kind: "Process", Map: r.dependents}, {Kind: "Route", Map: r.users}, {Kind: "Gate", Map: r.users}, {Kind: "Check", Map: r.watched}},
		Sources: []reconcile.Source{source(r.runtimeEvents), source(r.background)}}
}

// maxRounds is how often one reconcile decides anew; what is left then comes at once again.
const maxRounds = 8

// Reconcile brings one process, and all its instances, to what is declared.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	m := r.memory(req.Name)
	m.mu.Lock()
	defer m.mu.Unlock()
	var o *observed
	var d decision
	var failed error
	room, _ := r.rooms.Get().(*[]instance)
	if room == nil {
		room = &[]instance{}
	}
	defer func() { clear(*room); r.rooms.Put(room) }()
	for round := 0; ; round++ {
		var err error
		if o, err = r.observe(look{view: r.view, m: m, name: req.Name, room: (*room)[:0]}); err != nil {
			return reconcile.Result{}, fmt.Errorf("cannot look at process %q: %w", req.Name, err)
		}
		*room = o.Instances
		d = decide(o)
		if len(d.Actions) == 0 || failed != nil || ctx.Err() != nil {
			break
		}
		if round == maxRounds {
			d.Result.RequeueAfter = time.Millisecond
			break
		}
		failed = r.apply(m, o, d.Actions)
	}
	r.settle(m, o, d)
	if err := r.write(ctx, m, o, d); err != nil {
		return reconcile.Result{}, fmt.Errorf("cannot write the status of process %q: %w", req.Name, err)
	}
	r.haveLooked(req.Name)
	if err := errors.Join(r.endSuspend(ctx, o), r.renew(ctx, o, d.Executable)); err != nil {
		return reconcile.Result{}, err
	}
	m.sweep(o.Process == nil, r.ports.release)
	if o.Process == nil && len(m.instances) == 0 {
		r.forget(req.Name, m)
	}
	return d.Result, failed
}

func (r *Reconciler) now() time.Time {
	if r.o.Now != nil {
		return r.o.Now()
	}
	return time.Now()
}
