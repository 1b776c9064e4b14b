package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// FaultsError says that manifests were refused.
type FaultsError struct{ Faults []specs.Fault }

// Error is the first fault, and how many more there are.
func (e *FaultsError) Error() string {
	if len(e.Faults) == 0 {
		return "refused"
	}
	return e.Faults[0].String() + more(len(e.Faults)-1)
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// ChangedError says that a plan does not fit any more.
type ChangedError struct{ Message string }

// Error says what changed.
func (e *ChangedError) Error() string { return e.Message }

// BlockedError says why nothing can be applied now.
type BlockedError struct{ Message string }

// Error says why.
func (e *BlockedError) Error() string { return e.Message }

// bound is what a plan's digest is made of: the contents it leads from and to, every object that it was made from, and what becomes of each.
type bound struct {
	Stack, From, To string
	// Read is what of each object in force was read: its uid and a digest of what is declared of it. A status does not count.
	Read map[string]string
	// Does is what happens to each object.
	Does map[string]string
}

func (b *bound) digest() string {
	data, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

// bind makes what a plan from what is in force to a set is bound to.
func (r *Reconciler) bind(s *state, to *admit.Set, fates map[store.Key]fate) *bound {
	b := &bound{Stack: s.name, From: s.live.Digest(), To: to.Digest(), Read: map[string]string{}, Does: map[string]string{}}
	for _, c := range admit.Diff(s.live, to) {
		live, exists := r.get(c.Key)
		switch {
		case c.New != nil && exists:
			b.Does[c.Key.String()] = string(plan.Update)
		case c.New != nil:
			b.Does[c.Key.String()] = string(plan.Create)
		case fates[c.Key] == fateDelete, fates[c.Key] == fateRename:
			b.Does[c.Key.String()] = string(plan.Delete)
		case fates[c.Key] == fateRelease:
			b.Does[c.Key.String()] = string(plan.Keep)
		default:
			continue
		}
		if exists {
			b.Read[c.Key.String()] = version(live)
		}
	}
	return b
}

// version names what is declared of an object.
func version(o specs.Object) string {
	data, _ := json.Marshal(struct {
		UID                 string
		Generation          int64
		Labels, Annotations map[string]string
	}{string(o.GetUID()), o.GetGeneration(), o.GetLabels(), o.GetAnnotations()})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}

// plans are what the plans that were shown last are bound to, by digest, so that it can be told what has changed since.
type plans struct {
	by    map[string]*bound
	order []string
}

func (p *plans) add(b *bound) string {
	d := b.digest()
	if p.by == nil {
		p.by = map[string]*bound{}
	}
	if p.by[d] == nil {
		if p.order = append(p.order, d); len(p.order) > 32 {
			delete(p.by, p.order[0])
			p.order = p.order[1:]
		}
	}
	p.by[d] = b
	return d
}

// whatChanged says in words why a plan does not fit.
func (p *plans) whatChanged(digest string, now *bound) string {
	was := p.by[digest]
	if was == nil {
		return "it is not known, or was made before what it read changed"
	}
	var what []string
	if was.From != now.From {
		what = append(what, fmt.Sprintf("revision %s is in force instead of %s", short(now.From), short(was.From)))
	}
	if was.To != now.To {
		what = append(what, fmt.Sprintf("the files hold %s instead of %s", short(now.To), short(was.To)))
	}
	keys := maps.Clone(was.Does)
	maps.Copy(keys, now.Does)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if was.Does[k] != now.Does[k] || was.Read[k] != now.Read[k] {
			what = append(what, k+" changed")
		}
	}
	if len(what) > 5 {
		what = append(what[:5], fmt.Sprintf("%d more", len(what)-5))
	}
	return strings.Join(what, ", ")
}

// Plan says what putting the files of a stack in force would do. files, when it is not nil, are taken for the stack's files instead of what
// is on disk: their text by path below the directory that the stack governs. Nothing is changed. A *FaultsError tells what is refused.
func (r *Reconciler) Plan(ctx context.Context, name string, files map[string]string) (*plan.Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err != nil {
		return nil, err
	}
	to, err := r.target(s, files)
	if err != nil {
		return nil, err
	}
	return r.plan(ctx, s, o, to)
}

// lookUp answers a Stack and its object.
func (r *Reconciler) lookUp(name string) (*state, *specs.Stack, error) {
	s := r.stacks[name]
	if s == nil {
		return nil, nil, fmt.Errorf("stack/%s: %w", name, store.ErrNotFound)
	}
	if !r.read || s.disk == nil {
		return nil, nil, &BlockedError{Message: "cannot plan: " + errNoFiles.Error()}
	}
	o, err := r.stackObject(name)
	return s, o, err
}

// target is the set that a plan leads to.
func (r *Reconciler) target(s *state, files map[string]string) (*admit.Set, error) {
	if files == nil {
		if s.refused {
			return nil, &FaultsError{s.faults}
		}
		return s.disk, nil
	}
	dir := r.directory(s.name)
	var list []*source.File
	for rel, text := range files {
		f := &source.File{Rel: path.Join(dir, path.Clean("/" + rel)[1:]), Data: []byte(text), Digest: sha256.Sum256([]byte(text))}
		if owner, excluded := r.govern.Owner(f.Rel); owner == s.name && !excluded {
			list = append(list, f)
		}
	}
	to := admit.NewSet(admit.LoadAll(list, s.live.Known))
	if faults := admit.Admit(to, s.live, r.world(s)); len(faults) > 0 {
		return nil, &FaultsError{faults}
	}
	return to, nil
}

// plan makes the plan from what is in force to a set.
func (r *Reconciler) plan(ctx context.Context, s *state, o *specs.Stack, to *admit.Set) (*plan.Plan, error) {
	obs := r.observe(s, o, to, act{apply: true, now: true})
	obs.refused, obs.suspended, obs.git = false, false, false
	d := decide(obs)
	b := r.bind(s, to, d.fates)
	p := &plan.Plan{Stack: s.name, From: b.From, To: b.To, Read: b.Read, Digest: r.plans.add(b), Steps: []plan.Step{}}
	switch {
	case d.over:
		p.Blocked = specs.ReasonPruneBlocked
	case obs.manual && b.From != b.To:
		p.Blocked = "Manual"
	}
	ops, faults, err := r.ops(s, to, d.fates)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, &FaultsError{faults}
	}
	p.Steps, err = r.steps(ctx, ops)
	return p, err
}

// steps are what the writes lead to.
func (r *Reconciler) steps(ctx context.Context, ops []op) ([]plan.Step, error) {
	var changed []plan.Changed
	for i := range ops {
		c := ops[i].planned()
		if e := ops[i].entry; e != nil {
			c.Dir = filepath.Join(r.o.Root, filepath.FromSlash(e.Dir()))
		}
		changed = append(changed, c)
	}
	var steps []plan.Step
	if r.o.Planner != nil {
		var err error
		if steps, err = r.o.Planner(ctx, changed); err != nil {
			return nil, err
		}
	}
	last := 0
	told := map[store.Key]bool{}
	for _, s := range steps {
		last = max(last, s.Wave)
		if !s.Repair {
			told[store.Key{Kind: s.Kind, Name: s.Name}] = true
		}
	}
	for i, c := range changed {
		s := plan.Step{Wave: last, Change: c.Change, Kind: c.Kind, Name: c.Name, Verb: plan.Write, Reason: reason(c)}
		if len(steps) == 0 || r.o.Planner == nil {
			s.Wave = ops[i].wave
		}
		if ops[i].keep {
			s.Change, s.Verb, s.Reason = plan.Delete, plan.Keep, "its document is gone; it stays, and belongs to no stack"
		}
		if ops[i].keep || !told[ops[i].key] {
			steps = append(steps, s)
		}
	}
	if steps == nil {
		steps = []plan.Step{}
	}
	return steps, nil
}

func (o *op) planned() plan.Changed {
	c := plan.Changed{Change: o.change, Kind: o.key.Kind, Name: o.key.Name, Wave: o.wave, Old: o.old, New: o.new}
	if o.change == plan.Update {
		c.Fields = plan.Fields(o.old, o.new)
	}
	return c
}

func reason(c plan.Changed) string {
	switch c.Change {
	case plan.Create:
		return "new"
	case plan.Delete:
		return "removed"
	}
	return strings.Join(c.Fields, ", ")
}

// ApplyOptions of Apply.
type ApplyOptions struct {
	// Plan that is agreed to, by its digest; empty for whatever is on disk.
	Plan string
	// Prune agrees to the removals of the plan. It needs Plan.
	Prune bool
}

// Applied is what Apply did.
type Applied struct {
	// Revision in force.
	Revision string `json:"revision"`
	// Message says what was done.
	Message string `json:"message"`
}

// Apply puts the files of a stack in force, where that waits for somebody's word. With a plan it acts only when planning again gives the
// same plan; a *ChangedError says what changed. Without one, removals still wait until the files are quiet, and stop at the prune limit.
func (r *Reconciler) Apply(ctx context.Context, name string, a ApplyOptions) (Applied, error) {
	if a.Prune && a.Plan == "" {
		return Applied{}, &BlockedError{Message: "cannot prune without a plan: name the one that `mirrorctl plan` shows, with --plan"}
	}
	for {
		done, wait, err := r.apply(ctx, name, a)
		if err != nil || wait == 0 {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// apply is one try. It answers how long to wait before the next, 0 when it is done.
func (r *Reconciler) apply(ctx context.Context, name string, a ApplyOptions) (Applied, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err != nil {
		return Applied{}, 0, err
	}
	if err := r.mayApply(s, o); err != nil {
		return Applied{}, 0, err
	}
	obs := r.observe(s, o, s.disk, act{apply: true, now: true})
	d := decide(obs)
	if a.Plan != "" {
		if b := r.bind(s, s.disk, d.fates); b.digest() != a.Plan {
			return Applied{}, 0, &ChangedError{Message: fmt.Sprintf("plan %s does not fit any more: %s. The plan now is %s: look at it with `mirrorctl plan`", a.Plan, r.plans.whatChanged(a.Plan, b), r.plans.add(b))}
		}
	}
	if !obs.manual && !s.removed && (!d.over || !a.Prune) && s.decided.waits == "" {
		if s.live.Digest() == s.disk.Digest() {
			return Applied{s.live.Digest(), "stack/" + name + " follows the files; nothing to apply"}, 0, nil
		}
	}
	before := s.live.Digest()
	if _, err := r.sync(ctx, s, act{apply: true, agreed: a.Prune, now: a.Plan != ""}); err != nil {
		return Applied{}, 0, err
	}
	if r.stacks[name] != s {
		return Applied{Message: "stack/" + name + " is removed"}, 0, nil
	}
	if _, err := r.report(ctx, s, nil); err != nil {
		return Applied{}, 0, err
	}
	if s.refused {
		return Applied{}, 0, &FaultsError{s.faults}
	}
	if s.decided.waits == specs.ReasonWaitingForQuiet {
		return Applied{}, max(s.decided.requeue, time.Millisecond), nil
	}
	return r.applied(s, before), 0, nil
}

// mayApply tells why nothing can be applied, if so.
func (r *Reconciler) mayApply(s *state, o *specs.Stack) error {
	switch {
	case s.refused:
		return &FaultsError{s.faults}
	case o.Spec.Suspend:
		return &BlockedError{Message: fmt.Sprintf("stack/%s is suspended: `mirrorctl resume stack/%s` first", s.name, s.name)}
	case r.snap.Hold != nil:
		return &BlockedError{Message: "git is at work in the manifest directory: " + r.snap.Hold.Path + " is there"}
	}
	return nil
}

// applied says what came of it.
func (r *Reconciler) applied(s *state, before string) Applied {
	out := Applied{Revision: s.live.Digest()}
	if out.Message = "nothing to apply"; out.Revision != before && s.rec.Live != nil {
		out.Message = s.rec.Live.Message
	}
	if s.decided.over {
		if st, err := r.stackObject(s.name); err == nil && st.Status.Pending != nil {
			out.Message += fmt.Sprintf("; %d objects are not removed without your word: %s", st.Status.Pending.Delete, st.Status.Pending.Command)
		}
	}
	return out
}
