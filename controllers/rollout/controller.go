package rollout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Applier puts waves in force.
type Applier interface {
	// Rolling is the rollout of a Stack that is on its way or went last, without a status; nil when there is none. It does not wait.
	Rolling(stack string) *specs.Rollout
	// Advance puts the next wave of a rollout in force, of which inForce were; nothing when that is not how it is any more.
	Advance(ctx context.Context, stack, rollout string, inForce int32) error
	// RollBack puts the revision before a rollout back in force, of which inForce waves were, since some objects failed; nothing when that is
	// not how it is any more. An error means that it cannot be, and nothing was done.
	RollBack(ctx context.Context, stack, rollout string, inForce int32, failed []specs.FailedObject) error
}

// Options of New. Client and Applier must be set.
type Options struct {
	Client  *reconcile.Client
	Applier Applier
	// Event tells what happened to a Rollout, as reconcile.Recorder does.
	Event func(o specs.Object, typ, reason, message string)
	// Copies tells what is to be kept of the running copies of an object that failed, before they are replaced. Without it nothing is.
	Copies func(kind, name string) []specs.FailedCopy
	// Now is the clock; while the host sleeps it stands still. Default time.Now.
	Now func() time.Time
}

// kept is how many Rollouts of a Stack are kept.
const kept = 10

// Reconciler tells of rollouts and drives them.
type Reconciler struct {
	o Options

	mu     sync.Mutex // guards looked
	looked map[string]time.Time
	// seen is what is remembered of rollouts by name. Only the one worker of the controller uses it.
	seen map[string]*seen
}

// seen is since when a rollout is as it is. An operator that is started again counts from the beginning.
type seen struct {
	started metav1.MicroTime
	inForce int32
	// waited is for how long this wave has been in force without a pause, until looked; ready since when all are, zero while they are not.
	waited        time.Duration
	looked, ready time.Time
	// cannot says why it could not be rolled back, and tried when that was.
	cannot string
	tried  time.Time
}

// patience is how long a rollback that did not succeed waits before it is tried again.
const patience = time.Minute

// New makes the reconciler.
func New(o Options) *Reconciler {
	if o.Event == nil {
		o.Event = func(specs.Object, string, string, string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Copies == nil {
		o.Copies = func(string, string) []specs.FailedCopy { return nil }
	}
	return &Reconciler{o: o, looked: map[string]time.Time{}, seen: map[string]*seen{}}
}

// Controller is what the manager runs. Every kind that a Stack may declare is watched.
func (r *Reconciler) Controller() reconcile.Controller {
	c := reconcile.Controller{Name: "rollout", Kind: "Rollout", Reconciler: r}
	for _, k := range specs.Kinds {
		if k.Declarable() {
			c.Watches = append(c.Watches, reconcile.Watch{Kind: k.Kind, Map: r.concerns})
		}
	}
	return c
}

// concerns answers the rollout that a change of an object concerns: that of its stack.
func (r *Reconciler) concerns(e store.Event) []reconcile.Request {
	stack := e.Object.GetLabels()[specs.LabelStack]
	if e.Kind == "Stack" {
		stack = e.Object.GetName()
	} else if stack == "" {
		return nil
	}
	if o := r.o.Applier.Rolling(stack); o != nil {
		return []reconcile.Request{{Kind: "Rollout", Name: o.Name}}
	}
	return nil
}

// Reconcile tells how far a rollout is, and puts its next wave in force when it is due.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	live, exists := reconcile.Get[*specs.Rollout](r.o.Client, q.Name)
	now := r.current(q.Name)
	if now == nil && !exists {
		return reconcile.Result{}, nil
	}
	if now == nil {
		if _, there := r.o.Client.Store().Get(store.Key{Kind: "Stack", Name: live.Spec.Stack}); !there {
			return reconcile.Result{}, ignoreGone(r.o.Client.Delete(ctx, q))
		}
	} else if exists && over(&live.Status) && specs.SpecEqual(live, now) {
		return reconcile.Result{}, nil // it is over
	} else if wait := r.wait(now); wait > 0 && exists && live.Spec.InForce == now.Spec.InForce {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	var err error
	if now != nil {
		if live, err = r.tell(ctx, live, now); err != nil {
			return reconcile.Result{}, err
		}
	}
	see := r.see(live)
	d := decide(r.observe(live, now, see))
	if !d.Ready {
		see.ready = time.Time{}
	} else if see.ready.IsZero() {
		see.ready = r.o.Now()
	}
	was := over(&live.Status)
	n := specs.Copy(live)
	n.Status, n.ResourceVersion = d.Status, ""
	if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
		return reconcile.Result{}, ignoreGone(err)
	}
	if !was && over(&d.Status) {
		c := n.Status.Conditions[0]
		r.o.Event(n, specs.EventNormal, c.Reason, c.Message)
		r.forget(q.Name)
	}
	switch {
	case len(d.RollBack) > 0:
		return r.rollBack(ctx, live, d.RollBack, see)
	case d.Advance:
		return reconcile.Result{}, r.o.Applier.Advance(ctx, live.Spec.Stack, live.Name, live.Spec.InForce)
	}
	return reconcile.Result{RequeueAfter: d.After}, nil
}

// rollBack puts the revision before back, and tells of it.
func (r *Reconciler) rollBack(ctx context.Context, o *specs.Rollout, failed []specs.FailedObject, see *seen) (reconcile.Result, error) {
	now := r.o.Now()
	if left := patience - now.Sub(see.tried); !see.tried.IsZero() && left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	for i := range failed {
		failed[i].Copies = r.o.Copies(failed[i].Kind, failed[i].Name)
	}
	see.tried, see.cannot = now, ""
	if err := r.o.Applier.RollBack(ctx, o.Spec.Stack, o.Name, o.Spec.InForce, failed); err != nil {
		see.cannot = err.Error()
	}
	return r.Reconcile(ctx, reconcile.KeyOf(o))
}

// see remembers since when a rollout is as it is.
func (r *Reconciler) see(o *specs.Rollout) *seen {
	s := r.seen[o.Name]
	now := r.o.Now()
	if s == nil || !s.started.Equal(&o.Spec.StartedAt) || s.inForce != o.Spec.InForce {
		s = &seen{started: o.Spec.StartedAt, inForce: o.Spec.InForce, looked: now}
		r.seen[o.Name] = s
	}
	if !o.Spec.Paused {
		s.waited += now.Sub(s.looked)
	}
	s.looked = now
	return s
}

// current finds the rollout of a name among those that the applier has.
func (r *Reconciler) current(name string) *specs.Rollout {
	stacks, _ := r.o.Client.Store().List("Stack")
	for _, s := range stacks {
		if o := r.o.Applier.Rolling(s.GetName()); o != nil && o.Name == name {
			return o
		}
	}
	return nil
}

// wait bounds how often a rollout of many objects is looked at.
func (r *Reconciler) wait(o *specs.Rollout) time.Duration {
	n := 0
	for _, w := range o.Spec.Waves {
		n += len(w.Objects)
	}
	if n <= 20 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	if left := min(time.Second, time.Duration(n)*time.Millisecond) - now.Sub(r.looked[o.Name]); left > 0 && left <= time.Second {
		return left
	}
	r.looked[o.Name] = now
	return 0
}

func (r *Reconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.looked, name)
	delete(r.seen, name)
}

// tell brings the Rollout's object to what the applier says of it. One of an earlier time with the same name makes room.
func (r *Reconciler) tell(ctx context.Context, live, now *specs.Rollout) (*specs.Rollout, error) {
	if live != nil && !live.Spec.StartedAt.Equal(&now.Spec.StartedAt) {
		if err := ignoreGone(r.o.Client.Delete(ctx, reconcile.KeyOf(live))); err != nil {
			return nil, err
		}
		live = nil
	}
	if live == nil {
		fresh := specs.Copy(now)
		fresh.Status = specs.RolloutStatus{}
		o, err := r.o.Client.Create(ctx, fresh)
		if err != nil {
			return nil, err
		}
		return o.(*specs.Rollout), r.tidy(ctx, now)
	}
	n := specs.Copy(live)
	n.Spec, n.ResourceVersion = specs.Copy(now).Spec, ""
	o, err := r.o.Client.Update(ctx, n)
	if err != nil {
		return nil, err
	}
	return o.(*specs.Rollout), nil
}

// tidy removes the oldest Rollouts of a Stack, and ends those that the new one replaces.
func (r *Reconciler) tidy(ctx context.Context, now *specs.Rollout) error {
	var mine []*specs.Rollout
	for _, o := range reconcile.List[*specs.Rollout](r.o.Client) {
		if o.Spec.Stack == now.Spec.Stack && o.Name != now.Name {
			mine = append(mine, o)
		}
	}
	slices.SortFunc(mine, func(a, b *specs.Rollout) int { return a.Spec.StartedAt.Compare(b.Spec.StartedAt.Time) })
	var errs []error
	for i, o := range mine {
		if i < len(mine)-kept+1 {
			errs = append(errs, ignoreGone(r.o.Client.Delete(ctx, reconcile.KeyOf(o))))
		} else if !over(&o.Status) {
			_, err := r.Reconcile(ctx, reconcile.KeyOf(o))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// observe reads how the objects of a rollout are.
func (r *Reconciler) observe(o, current *specs.Rollout, see *seen) observed {
	out := observed{Now: r.o.Now(), Spec: &o.Spec, Current: current != nil, Generation: o.Generation, Old: o.Status, CannotRollBack: see.cannot}
	out.Waited = see.waited
	if !see.ready.IsZero() {
		out.Ready = out.Now.Sub(see.ready)
	}
	if current != nil {
		out.Failure = current.Status.Failure
	}
	if s, ok := reconcile.Get[*specs.Stack](r.o.Client, o.Spec.Stack); ok {
		out.AutoRollback = (s.Spec.AutoRollback == nil || *s.Spec.AutoRollback) && !s.Spec.Suspend
	}
	for _, w := range o.Spec.Waves {
		var list []object
		for _, k := range w.Objects {
			live, ok := r.o.Client.Store().Get(store.Key{Kind: k.Kind, Name: k.Name})
			if !ok {
				list = append(list, object{})
				continue
			}
			list = append(list, object{Found: true, Health: reconcile.HealthOf(live), Deadline: specs.ProgressDeadline(live)})
		}
		out.Objects = append(out.Objects, list)
	}
	return out
}

func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
