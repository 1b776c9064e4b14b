package budget

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Options of New. Client, Recorder, Audit, Held, Running and StateDir must be set.
type Options struct {
	Client   *reconcile.Client
	Recorder Recorder
	// Audit is the operator's own chain: who reset a budget, and why.
	Audit audit.Writer
	// Held is what the gates hold calls to; Running is what each gate that is connected runs, as it last told.
	Held    func() Held
	Running func() []control.Running
	// StateDir is the operator's.
	StateDir string
	// Ledger reads and resets. Default: the log of the gates, in StateDir.
	Ledger Ledger
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	Log logr.Logger
}

// Recorder tells events; *reconcile.Recorder is one.
type Recorder interface {
	Event(o specs.Object, typ, reason, message string)
}

// Ledger is the log of the gates, as far as it concerns the operator. It is safe for many callers.
type Ledger interface {
	// Report reads what was written since, and tells how the budgets of a config stand.
	Report(c ledger.Config, now time.Time) ([]ledger.BudgetReport, error)
	// History tells who took what when, as of the last Report.
	History(q ledger.HistoryQuery) ([]ledger.HistoryRow, error)
	Reset(budget, reason string) error
	Verify(c ledger.Config) (ledger.Findings, error)
}

// Reconciler tells how TokenBudgets stand. It is safe for many callers; one worker runs it.
type Reconciler struct {
	o Options

	mu      sync.Mutex // guards the fields below
	enqueue func(reconcile.Request, queue.Priority)
	forget  map[string]bool
	counted map[string]map[control.BudgetAccount]control.BudgetCount // by gate process
	// What the ledger said last, of the config with that number, and when.
	reports map[string]*ledger.BudgetReport
	number  int64
	read    time.Time
}

// New makes a reconciler.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Ledger == nil {
		o.Ledger = &logFiles{dir: filepath.Join(o.StateDir, "gate", "ledger")}
	}
	return &Reconciler{o: o, forget: map[string]bool{}, counted: map[string]map[control.BudgetAccount]control.BudgetCount{}}
}

// request is the only one: budgets form trees, and the ledger is read for all of them at once.
var request = reconcile.Request{Kind: "TokenBudget"}

// Controller runs the reconciler. It looks again when something that a budget names comes or goes.
func (r *Reconciler) Controller() reconcile.Controller {
	named := func(e store.Event) []reconcile.Request {
		if e.Type == store.Modified {
			return nil
		}
		return []reconcile.Request{request}
	}
	var watches []reconcile.Watch
	for _, kind := range []string{"Gate", "Route", "Principal", "Process"} {
		watches = append(watches, reconcile.Watch{Kind: kind, Map: named})
	}
	return reconcile.Controller{Name: "budget", Kind: request.Kind, Reconciler: r, Watches: watches, Sources: []reconcile.Source{r}}
}

// Run lets Changed ask. It is the source of the reconciler's own controller.
func (r *Reconciler) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	r.mu.Lock()
	r.enqueue = enqueue
	r.mu.Unlock()
	enqueue(request, queue.Normal)
	<-ctx.Done()
	return nil
}

// Changed asks for another look: a gate told its counters or runs something else, or what it is held to changed. It never blocks.
func (r *Reconciler) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.enqueue != nil {
		r.enqueue(request, queue.Normal)
	}
}

// Count takes what a gate process told: the counters that changed, since that process began.
func (r *Reconciler) Count(process string, c control.Counts) {
	r.mu.Lock()
	if r.counted[process] == nil {
		r.counted[process] = map[control.BudgetAccount]control.BudgetCount{}
	}
	for _, b := range c.Budgets {
		r.counted[process][b.BudgetAccount] = b
	}
	r.mu.Unlock()
	r.Changed()
}

// Gone forgets the counters of a gate process that is no longer connected.
func (r *Reconciler) Gone(process string) {
	r.mu.Lock()
	delete(r.counted, process)
	r.mu.Unlock()
	r.Changed()
}

// sum adds up what all gate processes told; while one takes over from another there are two. The lock is held.
func (r *Reconciler) sum() map[control.BudgetAccount]control.BudgetCount {
	out := map[control.BudgetAccount]control.BudgetCount{}
	for _, counts := range r.counted {
		for account, c := range counts {
			s := out[account]
			s.BudgetAccount, s.Exceeded = account, s.Exceeded+c.Exceeded
			if c.Last.After(s.Last) {
				s.Last = c.Last
			}
			out[account] = s
		}
	}
	return out
}

// readEvery is the least time between two looks at the ledger for the same budgets.
const readEvery = time.Second

// Reconcile tells how every budget stands. The request says nothing.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	o := &observed{Now: r.o.Now(), Budgets: reconcile.List[*specs.TokenBudget](r.o.Client)}
	if len(o.Budgets) == 0 {
		return reconcile.Result{}, nil
	}
	later, failed := r.observe(o)
	d := decide(o)
	if later > 0 {
		d.after(later)
	}
	if err := r.write(ctx, o, &d); err != nil {
		return d.Result, errors.Join(failed, err)
	}
	r.mu.Lock()
	for name := range o.Forget {
		delete(r.forget, name)
	}
	r.mu.Unlock()
	return d.Result, failed
}

// observe gathers what decide may know. It tells how long the ledger is not to be read again, when it may hold news.
func (r *Reconciler) observe(o *observed) (later time.Duration, failed error) {
	o.Held, o.Running, o.Absent = r.o.Held(), r.o.Running(), map[string][]string{}
	for _, b := range o.Budgets {
		for _, ref := range specs.References(b) {
			if _, ok := r.o.Client.Store().Get(store.Key{Kind: ref.Kind, Name: ref.Name}); !ok {
				o.Absent[b.Name] = append(o.Absent[b.Name], specs.KindOf(ref.Kind).Singular+"/"+ref.Name)
			}
		}
	}
	r.mu.Lock()
	o.Exceeded = r.sum()
	o.Forget = make(map[string]bool, len(r.forget))
	for name := range r.forget {
		o.Forget[name] = true
	}
	reports, fresh := r.reports, r.reports != nil && r.number == o.Held.Config.Number && len(o.Forget) == 0
	age := o.Now.Sub(r.read)
	r.mu.Unlock()
	if fresh && age >= 0 && age < readEvery {
		o.Reports = reports
		return readEvery - age, nil
	}
	if o.Held.Config.Number == 0 {
		o.Unread = "no gate has been here yet"
		return 0, nil
	}
	o.Reports, failed = r.report(o.Held.Config, o.Now)
	if failed != nil {
		o.Unread = failed.Error()
	}
	return 0, failed
}

// report reads the ledger, and keeps what it says.
func (r *Reconciler) report(c ledger.Config, now time.Time) (map[string]*ledger.BudgetReport, error) {
	list, err := r.o.Ledger.Report(c, now)
	if err != nil {
		return nil, fmt.Errorf("cannot read the ledger of the budgets: %w", err)
	}
	out := make(map[string]*ledger.BudgetReport, len(list))
	for i := range list {
		out[list[i].Name] = &list[i]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports, r.number, r.read = out, c.Number, now
	return out, nil
}

// write writes the statuses that say something else, and then tells of what they say was told.
func (r *Reconciler) write(ctx context.Context, o *observed, d *decision) error {
	var errs []error
	failed := map[int]bool{}
	for i, b := range o.Budgets {
		if reflect.DeepEqual(b.Status, d.Statuses[i]) {
			continue
		}
		n := specs.Copy(b)
		n.Status = d.Statuses[i]
		n.SetResourceVersion("")
		if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
			failed[i] = true
			if !errors.Is(err, store.ErrNotFound) {
				errs = append(errs, fmt.Errorf("cannot write the status of TokenBudget %q: %w", b.Name, err))
			}
		}
	}
	for _, n := range d.News {
		if !failed[n.budget] {
			r.o.Recorder.Event(o.Budgets[n.budget], specs.EventWarning, n.reason, n.message)
		}
	}
	return errors.Join(errs...)
}
