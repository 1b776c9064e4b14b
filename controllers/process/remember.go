package process

import (
	"context"
	"errors"
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// remember begins with what the store, the runtime and the logs have.
func (r *Reconciler) remember() {
	known := map[string]bool{} // processes that the store has, or has instances of
	for _, p := range reconcile.List[*specs.Process](r.client) {
		m := r.memory(p.Name)
		known[p.Name] = true
		if dir, err := r.dir(r.view, p); err == nil {
			m.template(p, dir)
		}
		r.depend(p.Name, nil, p)
		m.depends = p
	}
	r.rememberKept()
	for _, i := range reconcile.List[*specs.Instance](r.client) {
		known[i.Spec.Process] = true
		r.memory(i.Spec.Process).instance(i.Name, i.Spec.Ordinal, i.Spec.TemplateHash)
		r.ports.hold(i.Name, i.Status.Ports)
	}
	running := map[string]bool{}
	for _, ri := range r.runtime.List() {
		n := decodeNote(ri.Note)
		ordinal := n.Ordinal
		if _, _, o, ok := parseInstanceName(ri.ID); ok { // a lost note has none
			ordinal = o
		}
		r.memory(ri.Owner).instance(ri.ID, ordinal, ri.Hash).undeclared = !known[ri.Owner]
		r.ports.hold(ri.ID, n.Ports)
		running[ri.ID] = true
		if ri.Exit == nil {
			r.live[ri.Owner] = true
		}
	}
	r.rememberConfig()
	for _, id := range r.logs.List() {
		if owner, _, _, ok := parseInstanceName(id); ok && !running[id] {
			m := r.memory(owner)
			m.logs = append(m.logs, id)
		}
	}
}

// memory of a process, made when there is none.
func (r *Reconciler) memory(name string) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.memories[name]
	if m == nil {
		m = &memory{}
		r.memories[name] = m
	}
	return m
}

// forget drops the memory of a process that is gone with all that it had.
func (r *Reconciler) forget(name string, m *memory) {
	for _, id := range m.logs {
		r.removeLog(id)
	}
	r.files.watch(name, m.paths, nil)
	r.depend(name, m.depends, nil)
	m.logs, m.paths, m.mending, m.watched, m.depends = nil, nil, nil, 0, nil
	m.last, m.hash, m.changed, m.ids, m.key, m.before, m.kept = nil, "", nil, nil, templateKey{}, nil, nil
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, name)
	delete(r.looked, name)
	if _, ok := r.view.Get("Process", name); !ok && r.memories[name] == m {
		delete(r.memories, name)
	}
}

// errNoDirectory: the manifests have not been looked at yet.
var errNoDirectory = errors.New("the directory of its manifest is not known")

// dir is where relative paths of a process start. A process of a Stack is not touched before that is known: another directory would be
// another template.
func (r *Reconciler) dir(v plan.View, p *specs.Process) (string, error) {
	dir := p.Annotations[specs.AnnotationDirectory]
	planned := ""
	if o, ok := v.(*plan.Overlay); ok {
		planned = o.Dir("Process", p.Name)
	}
	if planned != "" {
		dir = planned
	} else if r.o.Dir != nil {
		if d := r.o.Dir(p); d != "" {
			dir = d
		}
	}
	switch {
	case dir != "":
		return dir, nil
	case p.Labels[specs.LabelStack] != "":
		return "", errNoDirectory
	}
	return "/", nil
}

func (r *Reconciler) revision(p *specs.Process) string {
	if r.o.Revision == nil {
		return ""
	}
	return r.o.Revision(p)
}

// source is a function as a reconcile.Source.
type source func(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error

// Run runs it.
func (s source) Run(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	return s(ctx, enqueue)
}

// runtimeEvents asks for a process whenever a run of it ends, and once for each that has anything on the host.
func (r *Reconciler) runtimeEvents(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	for _, name := range r.remembered() {
		enqueue(request(name), queue.Resync)
	}
	return r.runtime.Run(ctx, func(id string) {
		if owner, _, _, ok := parseInstanceName(id); ok {
			enqueue(request(owner), queue.Exit)
		}
	})
}

// LogChanged has the process of an instance looked at again, whose log is in another state than before.
func (r *Reconciler) LogChanged(id string) {
	if owner, _, _, ok := parseInstanceName(id); ok {
		r.ask(owner, queue.Normal)
	}
}

// settled is how long after its start the operator tells what nobody declared: the manifests are read by then.
const settled = 10 * time.Second

// tellUndeclared tells once of the runs that the store never knew and nobody has declared since. They are left alone.
func (r *Reconciler) tellUndeclared(ctx context.Context) error {
	if !sleep(ctx, settled) {
		return nil
	}
	for _, name := range r.remembered() {
		m := r.memory(name)
		m.mu.Lock()
		for _, im := range m.instances {
			if im.undeclared && im.run != nil && im.run.Exit == nil {
				r.o.Log.Info("A workload runs that nothing declares and nobody removed: the store was lost. It is left alone; "+
					"declare its process and delete it to stop it", "process", name, "instance", im.id, "pid", im.run.PID)
			}
		}
		m.mu.Unlock()
	}
	<-ctx.Done()
	return nil
}

func (r *Reconciler) remembered() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.memories))
	for n := range r.memories {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// background runs what goes on beside reconciling: probes, file events, digests and handlers.
func (r *Reconciler) background(ctx context.Context, enqueue func(reconcile.Request, queue.Priority)) error {
	r.mu.Lock()
	r.enqueue = enqueue
	r.mu.Unlock()
	return all(ctx, r.files.run, r.digests.run, r.prober.run, r.tasks.run, r.tellUndeclared)
}

// ask asks for a process; before the controller runs it is looked at anyway.
func (r *Reconciler) ask(name string, p queue.Priority) {
	r.mu.Lock()
	enqueue := r.enqueue
	r.mu.Unlock()
	if enqueue != nil {
		enqueue(request(name), p)
	}
}

func request(name string) reconcile.Request { return reconcile.Request{Kind: "Process", Name: name} }

// dependents maps a change of a process to those that depend on it, as far as it matters to them. It also keeps who depends on whom.
func (r *Reconciler) dependents(e store.Event) []reconcile.Request {
	p, ok := e.Object.(*specs.Process)
	if !ok {
		return nil
	}
	old, _ := e.Old.(*specs.Process)
	if old != nil && e.Type != store.Deleted && samePhase(old, p) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []reconcile.Request
	for name := range r.needed[p.Name] {
		out = append(out, request(name))
	}
	return out
}

// samePhase tells whether everything that a dependency can wait for is as before.
func samePhase(a, b *specs.Process) bool {
	for _, c := range []specs.DependencyCondition{specs.DependencyStarted, specs.DependencyReady, specs.DependencyCompleted} {
		if isMet(a, c) != isMet(b, c) {
			return false
		}
	}
	return true
}

// waitFor has a process asked for when what it depends on changes. It comes before the look at those: what changes after the look asks
// again, what changed before was seen.
func (r *Reconciler) waitFor(m *memory, p *specs.Process) {
	if d := m.depends; d == p || d != nil && d.Generation == p.Generation && d.UID == p.UID {
		return
	}
	r.depend(p.Name, m.depends, p)
	m.depends = p
}

// depend keeps who depends on whom.
func (r *Reconciler) depend(name string, old, now *specs.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old != nil {
		for _, on := range needs(old) {
			delete(r.needed[on], name)
		}
	}
	if now != nil {
		for _, on := range needs(now) {
			if r.needed[on] == nil {
				r.needed[on] = map[string]bool{}
			}
			r.needed[on][name] = true
		}
	}
}

// haveLooked notes that a process' status is of this operator's own observation. What an earlier one wrote may be from before a reboot or
// a crash, so nothing that waits for the process starts by it; those are asked for now.
func (r *Reconciler) haveLooked(name string) {
	r.mu.Lock()
	var waiting []string
	if !r.looked[name] {
		r.looked[name] = true
		for n := range r.needed[name] {
			waiting = append(waiting, n)
		}
	}
	r.mu.Unlock()
	for _, n := range waiting {
		r.ask(n, queue.Normal)
	}
}

// hasLooked tells whether a process' status is of this operator's own observation.
func (r *Reconciler) hasLooked(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looked[name]
}

// liveDependents are processes that depend on one and still run.
func (r *Reconciler) liveDependents(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	needed := r.needed[name]
	if name == specs.SystemProcess { // what talks through it may be anybody
		needed = r.live
	}
	var out []string
	for n := range needed {
		if r.live[n] && n != name {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
