package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/process/probe"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Asked is what one running copy answered to a handler.
type Asked struct {
	Instance string
	// Status: Success, Failure, or Unknown when it could not be asked.
	Status probe.Status
	// Message says what failed, in one line; no value that was taken by reference is in it.
	Message string
}

// ErrStopped is what Ask answers of a process of which no copy is to run.
var ErrStopped = errors.New("no copy of it is to run")

// Ask runs a handler once at every running copy of a process, all at once, as a probe of it would: those of the template with a hash, or, when it
// is empty, of the one in force. It takes no longer than the timeout. store.ErrNotFound when there is no such process.
func (r *Reconciler) Ask(ctx context.Context, name, hash string, h *specs.Handler, timeout time.Duration) ([]Asked, error) {
	m := r.memory(name)
	m.mu.Lock()
	o, err := r.observe(look{view: r.view, m: m, name: name})
	var ids []string
	var checks []checker
	if err == nil {
		ids, checks, err = r.askers(m, o, hash, h)
	}
	m.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("process %q: %w", name, err)
	}
	out := make([]Asked, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		all.Go(func() {
			v, message := check(ctx, timeout)
			out[i] = Asked{ids[i], map[verdict]probe.Status{verdictSuccess: probe.Success, verdictFailure: probe.Failure, verdictUnknown: probe.Unknown}[v], message}
		})
	}
	all.Wait()
	return out, nil
}

// askers are the copies to ask, and how.
func (r *Reconciler) askers(m *memory, o *observed, hash string, h *specs.Handler) (ids []string, checks []checker, err error) {
	switch {
	case o.Process == nil:
		return nil, nil, store.ErrNotFound
	case o.Down || o.Process.DesiredReplicas() == 0:
		return nil, nil, ErrStopped
	case hash == "":
		hash = o.Hash
	}
	for i := range o.Instances {
		in := &o.Instances[i]
		im := m.find(in.ID)
		if im == nil || in.Hash != hash || !in.live() || in.Stop != nil {
			continue
		}
		ids, checks = append(ids, in.ID), append(checks, r.checker(m, o.of(m, im), im, h))
	}
	return ids, checks, nil
}

// checked is what Checks say of a process.
func checked(v plan.View, name string) []metav1.Condition {
	return specs.CheckedConditions(specs.OfType[*specs.Check](v.List("Check")), "Process", name)
}

// watched maps a change of a check to the processes that it looks at, or looked at before.
func (r *Reconciler) watched(e store.Event) []reconcile.Request {
	var out []reconcile.Request
	for _, o := range []store.Object{e.Object, e.Old} {
		if c, ok := o.(*specs.Check); ok && c.Spec.Target.Process != "" {
			out = append(out, request(c.Spec.Target.Process))
		}
	}
	return out
}
