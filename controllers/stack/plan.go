package stack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

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

// Is tells that it is a store.ErrConflict.
func (e *ChangedError) Is(target error) bool { return target == store.ErrConflict }

// BlockedError says why nothing can be applied now.
type BlockedError struct{ Message string }

// Error says why.
func (e *BlockedError) Error() string { return e.Message }

// Is tells that it is a store.ErrConflict: how things are now does not go with what was asked.
func (e *BlockedError) Is(target error) bool { return target == store.ErrConflict }

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
		if h := r.snap.Hold; h != nil { // what is on disk is not looked at: nothing can be said of it
			return nil, &BlockedError{Message: fmt.Sprintf("cannot plan: git is at work in the manifest directory: %s is there; remove it if no git runs", h.Path)}
		}
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
	case r.snap.Err != nil && to == s.disk:
		p.Blocked = specs.ReasonSourceUnavailable
	case d.over:
		p.Blocked = specs.ReasonPruneBlocked
	case obs.manual && b.From != b.To:
		p.Blocked = "Manual"
	case obs.held, len(decide(r.observe(s, o, to, act{now: true})).stays) > 0 && to == s.disk:
		p.Blocked = specs.ReasonHeld
	}
	ops, faults, err := r.ops(s, to, d.fates)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, &FaultsError{faults}
	}
	p.Steps, err = r.steps(ctx, ops, r.moves(s, to, ops))
	return p, err
}

// moves are objects that stay as they are while their file goes to another directory: relative paths start there then.
func (r *Reconciler) moves(s *state, to *admit.Set, ops []op) []plan.Changed {
	written := map[store.Key]bool{}
	for i := range ops {
		written[ops[i].key] = true
	}
	var out []plan.Changed
	for _, c := range admit.Diff(s.live, to) {
		if !moved(c) || written[c.Key] {
			continue
		}
		if live, ok := r.get(c.Key); ok {
			out = append(out, plan.Changed{Change: plan.Update, Kind: c.Key.Kind, Name: c.Key.Name, Old: live, New: live, Dir: r.dirOf(c.New), Fields: []string{fieldDirectory}})
		}
	}
	return out
}

func moved(c admit.Change) bool { return c.Old != nil && c.New != nil && c.Old.Dir() != c.New.Dir() }

// fieldDirectory is how a plan names that a file is in another directory: what it changes of a process is where it works.
const fieldDirectory = "workingDir"

// dirOf is the directory that relative paths of a document start from.
func (r *Reconciler) dirOf(e *admit.Entry) string {
	return filepath.Join(r.o.Root, filepath.FromSlash(e.Dir()))
}

// steps are what the writes, and the moves of files, lead to.
func (r *Reconciler) steps(ctx context.Context, ops []op, moves []plan.Changed) ([]plan.Step, error) {
	var changed []plan.Changed
	for i := range ops {
		c := ops[i].planned()
		if e := ops[i].entry; e != nil {
			c.Dir = r.dirOf(e)
		}
		if ops[i].from != "" {
			c.Fields = append(c.Fields, "stack")
			if was := r.index.Dir(c.Kind, c.Name); was != "" && was != c.Dir {
				c.Fields = append(c.Fields, fieldDirectory)
			}
		}
		changed = append(changed, c)
	}
	steps, err := r.led(ctx, changed, moves)
	if err != nil {
		return nil, err
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

// led is what the planner says. A move that leads to nothing is nothing: no object is written for it.
func (r *Reconciler) led(ctx context.Context, changed, moves []plan.Changed) ([]plan.Step, error) {
	if r.o.Planner == nil {
		return nil, nil
	}
	steps, err := r.o.Planner(ctx, slices.Concat(changed, moves))
	return slices.DeleteFunc(steps, func(s plan.Step) bool {
		return s.Verb == plan.Write && slices.ContainsFunc(moves, func(c plan.Changed) bool { return c.Kind == s.Kind && c.Name == s.Name })
	}), err
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
