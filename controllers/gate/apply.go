package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// answerPatience is how long the gates have to load new files; who is slower is seen later.
const answerPatience = 2 * time.Second

// apply does what was decided. The order matters: a socket before the configuration that names it, files before the process that reads
// them, and the process goes before what it serves.
func (r *Reconciler) apply(ctx context.Context, o *observed, d *decision) error {
	r.settleTokens(d)
	var errs []error
	if d.Stop {
		errs = append(errs, ignoreGone(r.o.Client.Delete(ctx, store.Key{Kind: "Process", Name: specs.SystemProcess})))
	}
	if d.Sockets != nil {
		bound, faults := r.o.Sockets.Ensure(d.Sockets)
		r.mu.Lock()
		r.wanted, r.bound, r.faults, r.ensured = d.Sockets, bound, faults, o.Now
		r.mu.Unlock()
	}
	if err := r.writeFiles(d); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if d.files() || d.Sockets != nil {
		ctx, cancel := context.WithTimeout(ctx, answerPatience)
		r.o.Line.Reload(ctx)
		cancel()
	}
	if d.Start {
		errs = append(errs, r.ensureSystem(ctx, o))
	}
	return errors.Join(errs...)
}

// settleTokens drops and renews tokens.
func (r *Reconciler) settleTokens(d *decision) {
	r.tokens.drop(func(t *token) bool {
		return slices.Contains(d.Expired, t.ID) || t.Instance != "" && slices.Contains(d.Ended, t.Instance)
	})
	for _, id := range d.Ended {
		r.instances.end(id)
	}
	for _, t := range d.Rotate {
		if err := r.instances.rotate(t.Instance, t.Principal); err != nil {
			r.o.Log.Error(err, "cannot rotate a token: it ends in an hour")
			r.tokens.change(func(k *token) bool { // and not again before it does
				hit := k.ID == t.ID
				k.File = k.File && !hit
				return hit
			})
		}
	}
}

// writeFiles writes what changed. Files are numbered, so a gate that reads one twice does nothing.
func (r *Reconciler) writeFiles(d *decision) (err error) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.unwritten = ""; err != nil {
			r.unwritten = err.Error()
		}
	}()
	if err := os.MkdirAll(r.dir(), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of the gate: %w", err)
	}
	if r.tokens.takeDirty() {
		if err := writeJSON(filepath.Join(r.dir(), tokensFile), r.tokens.list(), true); err != nil {
			r.tokens.change(func(*token) bool { return true }) // once more next time
			return err
		}
	}
	if d.Identities != nil {
		if err := writeJSON(filepath.Join(r.dir(), proxy.IdentitiesFile), d.Identities, false); err != nil {
			return err
		}
	}
	if d.Endpoints != nil {
		if err := writeJSON(filepath.Join(r.dir(), proxy.EndpointsFile), d.Endpoints, false); err != nil {
			return err
		}
	}
	if d.Ledger != nil { // before a configuration with what they are for
		if err := writeJSON(filepath.Join(r.dir(), ledger.ConfigFile), d.Ledger, true); err != nil {
			return err
		}
	}
	if d.Config != nil {
		if err := r.writeConfig(*d.Config); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.Identities != nil {
		r.docs.identities = *d.Identities
	}
	if d.Endpoints != nil {
		r.docs.endpoints = *d.Endpoints
	}
	if d.Config != nil {
		r.docs.config = *d.Config
	}
	if d.Ledger != nil {
		r.docs.budgets = *d.Ledger
	}
	return nil
}

// keptConfigs is how many configurations are kept, so that a decision can be explained by that which made it.
const keptConfigs = 50

// writeConfig writes the configuration with the places of its rules, and keeps it by its number.
func (r *Reconciler) writeConfig(c proxy.Config) error {
	placed := r.placed(c)
	history := filepath.Join(r.dir(), "history")
	if err := os.MkdirAll(history, 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of earlier configurations: %w", err)
	}
	if err := writeJSON(r.historyFile(c.Number), placed, false); err != nil {
		return err
	}
	_ = os.Remove(r.historyFile(c.Number - keptConfigs)) // what is left over is only old
	return writeJSON(filepath.Join(r.dir(), proxy.ConfigFile), placed, true)
}

// placed is a configuration with the places that declare its rules now.
func (r *Reconciler) placed(c proxy.Config) proxy.Config {
	c.Gates = slices.Clone(c.Gates)
	for i := range c.Gates {
		g := &c.Gates[i]
		g.Rules = slices.Clone(g.Rules)
		for j := range g.Rules {
			if r.o.Place != nil {
				g.Rules[j].Place = r.o.Place("GateRule", g.Rules[j].Name)
			}
		}
	}
	return c
}

func (r *Reconciler) historyFile(number int64) string {
	return filepath.Join(r.dir(), "history", fmt.Sprintf("%d.json", number))
}

// ensureSystem declares the process mirrorgate.
func (r *Reconciler) ensureSystem(ctx context.Context, o *observed) error {
	if o.System == nil {
		_, err := r.o.Client.Create(ctx, o.SystemWanted)
		return err
	}
	n := specs.Copy(o.System)
	n.Spec, n.ResourceVersion = o.SystemWanted.Spec, ""
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	n.Labels[specs.LabelSystem] = "true"
	_, err := r.o.Client.Update(ctx, n)
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// writeEach has the objects of a kind written whose status should be another than it is.
func writeEach[T specs.Object, S any](have []T, want []S, status func(T) *S, write func(specs.Object)) {
	for i, o := range have {
		if same(*status(o), want[i]) {
			continue
		}
		n := specs.Copy(o)
		*status(n) = want[i]
		write(n)
	}
}

// write writes the statuses that changed, and tells what is to be told.
func (r *Reconciler) write(ctx context.Context, o *observed, d *decision) error {
	r.keepReady(o, d)
	var errs []error
	update := func(n specs.Object) {
		n.SetResourceVersion("")
		if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, fmt.Errorf("cannot write the status of %s %q: %w", n.GetObjectKind().GroupVersionKind().Kind, n.GetName(), err))
		}
	}
	writeEach(o.Gates, d.Gates, func(g *specs.Gate) *specs.GateStatus { return &g.Status }, update)
	writeEach(o.Routes, d.Routes, func(rt *specs.Route) *specs.RouteStatus { return &rt.Status }, update)
	writeEach(o.Rules, d.Rules, func(ru *specs.GateRule) *specs.GateRuleStatus { return &ru.Status }, update)
	writeEach(o.Principals, d.Principals, func(p *specs.Principal) *specs.PrincipalStatus { return &p.Status }, update)
	r.warn(o, d)
	return errors.Join(errs...)
}

// keepReady remembers which routes can serve, before anybody is woken by their status.
func (r *Reconciler) keepReady(o *observed, d *decision) {
	ready := make(map[string]bool, len(o.Routes))
	for i, rt := range o.Routes {
		ready[rt.Name] = meta.IsStatusConditionTrue(d.Routes[i].Conditions, specs.ConditionReady)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = ready
}

// warn tells which tokens end soon, once each.
func (r *Reconciler) warn(o *observed, d *decision) {
	for _, t := range d.Expiring {
		for _, p := range o.Principals {
			if p.Name == t.Principal {
				r.o.Recorder.Event(p, specs.EventWarning, specs.ReasonTokenExpiring,
					fmt.Sprintf("token %s ends at %s; make another with `mirrorctl token create %s`", t.ID, t.Expires.UTC().Format(time.RFC3339), p.Name))
			}
		}
		r.tokens.change(func(k *token) bool {
			hit := k.ID == t.ID && !k.Warned
			k.Warned = k.Warned || hit
			return hit
		})
	}
}
