package gate

import (
	"path/filepath"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// dir is where the files are.
func (r *Reconciler) dir() string { return filepath.Join(r.o.StateDir, "gate") }

// read reads what an earlier operator wrote, and answers its tokens.
func (r *Reconciler) read() ([]token, error) {
	var known []token
	for name, v := range map[string]any{proxy.ConfigFile: &r.docs.config, proxy.EndpointsFile: &r.docs.endpoints,
		proxy.IdentitiesFile: &r.docs.identities, ledger.ConfigFile: &r.docs.budgets, tokensFile: &known} {
		if err := readJSON(filepath.Join(r.dir(), name), v); err != nil {
			return nil, err
		}
	}
	for i := range r.docs.config.Gates {
		for j := range r.docs.config.Gates[i].Rules {
			r.docs.config.Gates[i].Rules[j].Place = "" // it may have moved since
		}
	}
	return known, nil
}

// observe gathers all that decide may know. It changes nothing but what is remembered of tokens whose instances were seen.
func (r *Reconciler) observe() *observed {
	o := &observed{Now: r.o.Now(), RunDir: r.o.RunDir, SystemWanted: systemProcess(r.o.StateDir, r.o.RunDir), Running: r.o.Line.Running(),
		Sockets: r.o.Sockets.Names()}
	o.Gates = declared(reconcile.List[*specs.Gate](r.o.Client))
	o.Routes = declared(reconcile.List[*specs.Route](r.o.Client))
	o.Rules = declared(reconcile.List[*specs.GateRule](r.o.Client))
	o.Principals = declared(reconcile.List[*specs.Principal](r.o.Client))
	o.Budgets = declared(reconcile.List[*specs.TokenBudget](r.o.Client))
	o.Checks = declared(reconcile.List[*specs.Check](r.o.Client))
	o.System, _ = reconcile.Get[*specs.Process](r.o.Client, specs.SystemProcess)
	o.Processes = map[string]*specs.Process{}
	for _, p := range declared(reconcile.List[*specs.Process](r.o.Client)) {
		if p.Name != specs.SystemProcess {
			o.Processes[p.Name] = p
		}
	}
	r.mu.Lock()
	o.Config, o.Endpoints, o.Identities, o.Ledger = r.docs.config, r.docs.endpoints, r.docs.identities, r.docs.budgets
	o.Ensured = r.ensured
	o.Wanted, o.Bound, o.Faults, o.Unwritten, o.Counts = r.wanted, r.bound, r.faults, r.unwritten, r.sum()
	r.mu.Unlock()
	if o.Settled = r.began.Add(settleTime); o.Now.Before(o.Settled) {
		o.Inherited = r.inherited
	}
	if !o.active() && len(o.Principals) == 0 && len(o.Routes) == 0 && o.System == nil {
		return o
	}
	r.observeWorkloads(o)
	o.Instances = map[string][]*specs.Instance{}
	for _, i := range reconcile.List[*specs.Instance](r.o.Client) {
		o.Instances[i.Spec.Process] = append(o.Instances[i.Spec.Process], i)
	}
	o.Locality, o.Dirs = map[string]specs.Locality{}, map[string]string{}
	for _, s := range reconcile.List[*specs.Stack](r.o.Client) {
		o.Locality[s.Name] = s.Spec.Locality
	}
	for _, rt := range o.Routes {
		o.Dirs[rt.Name] = rt.Annotations[specs.AnnotationDirectory]
		if r.o.Dir != nil {
			if d := r.o.Dir("Route", rt.Name); d != "" {
				o.Dirs[rt.Name] = d
			}
		}
	}
	return o
}

// observeWorkloads looks at what runs, and as whom.
func (r *Reconciler) observeWorkloads(o *observed) {
	o.Live = map[string]bool{}
	var all []Workload
	if r.o.Workloads != nil {
		all = r.o.Workloads()
	}
	o.Runs = all
	for _, w := range all {
		o.Live[w.Instance] = true
	}
	acts := map[string]string{}
	r.tokens.change(func(t *token) bool {
		if t.Instance != "" {
			t.ran = t.ran || o.Live[t.Instance]
			acts[t.Instance] = t.Principal
		}
		return false
	})
	o.Tokens = r.tokens.list()
	for _, w := range all {
		e := proxy.WorkloadEntry{Instance: w.Instance, Principal: acts[w.Instance], Cgroup: w.Cgroup, CgroupID: w.CgroupID, PID: w.PID, Inode: w.Inode}
		if p := o.Processes[w.Process]; e.Principal == "" && p != nil {
			e.Principal = p.PrincipalName()
		}
		if e.Principal != "" && w.Process != specs.SystemProcess { // what a gate asks of another is its caller's word, not its own
			o.Workloads = append(o.Workloads, e)
		}
	}
}

// declared are those that are not going.
func declared[T specs.Object](list []T) []T {
	out := list[:0]
	for _, o := range list {
		if o.GetDeletionTimestamp().IsZero() {
			out = append(out, o)
		}
	}
	return out
}
