package process

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// world is a host of fakes, a real store, and a reconciler that a test calls by hand: one request at a time, on a clock of its own.
type world struct {
	t      testing.TB
	client *reconcile.Client
	rt     *fakeRuntime
	logs   *fakeLogs
	events *fakeEvents
	gate   Gate
	// sandbox is what the host can confine by.
	sandbox *sandbox.Host
	r       *Reconciler
	dir     string
	begin   time.Time
	passed  time.Duration
	asked   sync.Mutex // guards queue: what runs beside asks too
	queue   []string
	timers  map[string]time.Time
	known   map[string]specs.Object
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, client: reconciletest.TempClient(t), logs: newFakeLogs(), events: &fakeEvents{}, dir: t.TempDir(), begin: time.Now(),
		timers: map[string]time.Time{}, known: map[string]specs.Object{}, sandbox: &sandbox.Host{}}
	w.rt = newFakeRuntime(w.now)
	w.restartOperator()
	return w
}

func (w *world) now() time.Time { return w.begin.Add(w.passed) }

// restartOperator forgets all but store, runtime and logs.
func (w *world) restartOperator() {
	w.rt.adopt()
	w.r = New(Options{Client: w.client, Recorder: w.events, Runtime: w.rt, Logs: w.logs, StateDir: w.dir, Gate: w.gate, Sandbox: w.sandbox, Now: w.now})
	w.r.enqueue = func(q reconcile.Request, _ queue.Priority) { w.add(q.Name) }
	w.rt.notify = func(id string) {
		if owner, _, _, ok := parseInstanceName(id); ok {
			w.add(owner)
		}
	}
	w.timers = map[string]time.Time{}
	for _, n := range w.r.remembered() {
		w.add(n)
	}
}

func (w *world) add(name string) {
	w.asked.Lock()
	defer w.asked.Unlock()
	if !slices.Contains(w.queue, name) {
		w.queue = append(w.queue, name)
	}
}

// next takes what was asked for first.
func (w *world) next() (name string, ok bool) {
	w.asked.Lock()
	defer w.asked.Unlock()
	if len(w.queue) == 0 {
		return "", false
	}
	name, w.queue = w.queue[0], w.queue[1:]
	return name, true
}

// drain reconciles until nothing is asked for.
func (w *world) drain() {
	w.t.Helper()
	for n := 0; ; n++ {
		name, ok := w.next()
		if !ok {
			return
		}
		if n > 5000 {
			w.t.Fatalf("no end: %s", name)
		}
		res, err := w.r.Reconcile(context.Background(), request(name))
		if err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		if res.RequeueAfter > 0 {
			w.timers[name] = w.now().Add(res.RequeueAfter)
		}
		w.follow()
	}
}

// follow maps changes in the store to requests, as the manager does.
func (w *world) follow() {
	seen := map[string]bool{}
	list, _ := w.client.Store().List("Process")
	for _, o := range list {
		seen[o.GetName()] = true
		old := w.known[o.GetName()]
		w.known[o.GetName()] = o
		if old == o {
			continue
		}
		e := store.Event{Type: store.Added, Object: o}
		if old != nil {
			e.Type, e.Old = store.Modified, old
		}
		w.map_(e)
		if old == nil || old.GetGeneration() != o.GetGeneration() || len(old.GetAnnotations()) != len(o.GetAnnotations()) {
			w.add(o.GetName())
		}
	}
	for name, o := range w.known {
		if !seen[name] {
			delete(w.known, name)
			w.map_(store.Event{Type: store.Deleted, Object: o, Old: o})
			w.add(name)
		}
	}
}

func (w *world) map_(e store.Event) {
	for _, q := range w.r.dependents(e) {
		w.add(q.Name)
	}
}

// wait lets time pass until no timer is left, or all are further away than far.
func (w *world) wait(far time.Duration) {
	w.t.Helper()
	w.drain()
	end := w.now().Add(far)
	for n := 0; ; n++ {
		if n > 2000 {
			w.t.Fatalf("timers without end: %v", w.timers)
		}
		next, at := "", end
		for name, t := range w.timers {
			if t.Before(at) || t.Equal(at) && name < next {
				next, at = name, t
			}
		}
		if next == "" {
			w.passed = end.Sub(w.begin)
			return
		}
		delete(w.timers, next)
		if d := at.Sub(w.now()); d > 0 {
			w.passed += d
		}
		w.add(next)
		w.drain()
	}
}

// proc is a process with defaults.
func proc(name string, change ...func(*specs.Process)) *specs.Process {
	p := &specs.Process{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: specs.ProcessSpec{Command: []string{"/bin/sh"}}}
	for _, c := range change {
		c(p)
	}
	specs.Default(p)
	return p
}

// apply creates, updates (by name) or deletes (a nil entry) processes in one revision, without reconciling.
func (w *world) apply(list map[string]*specs.Process) {
	w.t.Helper()
	_, err := w.client.Txn(context.Background(), func(t *reconcile.ClientTx) error {
		for _, name := range sorted(list) {
			k := store.Key{Kind: "Process", Name: name}
			_, there := t.Get(k)
			var err error
			switch p := list[name]; {
			case p == nil && there:
				err = t.Delete(k)
			case p == nil:
			case there:
				_, err = t.Update(p)
			default:
				_, err = t.Create(p)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.follow()
}

func sorted[T any](m map[string]T) (names []string) {
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (w *world) put(p *specs.Process) {
	w.t.Helper()
	w.apply(map[string]*specs.Process{p.Name: p})
}

func (w *world) process(name string) *specs.Process {
	w.t.Helper()
	p, ok := reconcile.Get[*specs.Process](w.client, name)
	if !ok {
		w.t.Fatalf("no process %q", name)
	}
	return p
}

func (w *world) instances(process string) (out []*specs.Instance) {
	for _, i := range reconcile.List[*specs.Instance](w.client) {
		if i.Spec.Process == process {
			out = append(out, i)
		}
	}
	return out
}

// edit changes a process by a function.
func (w *world) edit(name string, change func(*specs.Process)) {
	w.t.Helper()
	p := specs.Copy(w.process(name))
	change(p)
	p.ResourceVersion = ""
	w.put(p)
}

// planned are the steps of a plan for the changes.
func (w *world) planned(list map[string]*specs.Process) []plan.Step {
	w.t.Helper()
	var changed []plan.Changed
	for _, name := range sorted(list) {
		old, there := reconcile.Get[*specs.Process](w.client, name)
		p := list[name]
		c := plan.Changed{Kind: "Process", Name: name}
		switch {
		case p == nil && !there:
			continue
		case p == nil:
			c.Change, c.Old = plan.Delete, old
		case there:
			n, err := w.client.PrepareUpdate(old, p)
			if err != nil {
				w.t.Fatal(err)
			}
			if n == specs.Object(old) {
				continue
			}
			c.Change, c.Old, c.New = plan.Update, old, n
		default:
			n, err := w.client.PrepareCreate(p)
			if err != nil {
				w.t.Fatal(err)
			}
			c.Change, c.New = plan.Create, n
		}
		changed = append(changed, c)
	}
	steps, err := plan.Run(context.Background(), []plan.Kind{w.r.Planner()}, plan.Live(w.client.Store()), changed)
	if err != nil {
		w.t.Fatal(err)
	}
	return steps
}

// meanwhile is a view in which something happens right after a process was looked at, once.
type meanwhile struct {
	plan.View
	name string
	then func()
}

func (v *meanwhile) Get(kind, name string) (specs.Object, bool) {
	o, ok := v.View.Get(kind, name)
	if then := v.then; kind == "Process" && name == v.name && then != nil {
		v.then = nil
		then()
	}
	return o, ok
}
