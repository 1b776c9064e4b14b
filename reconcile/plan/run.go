package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"mirroros.dev/mirroros/specs"
)

// Kind is what a controller lends to planning.
type Kind interface {
	// Kind whose objects it plans for.
	Kind() string
	// Names of objects that it may act for: those in the view, and what is left on the host of others.
	Names(View) []string
	// Model looks at the host once for one object. It changes nothing.
	Model(ctx context.Context, v View, name string) (Model, error)
}

// Model is one object and what belongs to it on the host, as they would be.
type Model interface {
	// Next decides once over the view as it is now, assumes that what it decided succeeds, and answers the steps of that, and the object
	// with the status that follows; nil when the object is gone. Without steps nothing more is to be done for now. It may be called again
	// after the view has changed.
	Next(v View) ([]Step, specs.Object, error)
	// Finish assumes that what runs to an end has come to it, and tells whether anything did.
	Finish() bool
}

// Changed is one object that the target has otherwise than the store has it now.
type Changed struct {
	Change Change
	Kind   string
	Name   string
	// Wave that it is applied in, from 0.
	Wave int
	// Old and New are the object before and after; nil where there is none.
	Old, New specs.Object
	// Dir is the directory that relative paths in New start from; empty is as it is now.
	Dir string
	// Fields that changed, by name; Run fills them in when they are nil.
	Fields []string
}

// rounds is how often a model is asked before a plan gives up: something goes in circles then.
const rounds = 1000

// Run plans the changes over a view of how things are now. The steps come in the order in which they happen, by waves.
func Run(ctx context.Context, kinds []Kind, v View, changed []Changed) ([]Step, error) {
	base, _, err := simulate(ctx, kinds, v, nil)
	if err != nil {
		return nil, err
	}
	if len(changed) == 0 {
		return numbered(repairs(merged(base), merged(base), nil)), nil
	}
	steps, written, err := simulate(ctx, kinds, v, changed)
	if err != nil {
		return nil, err
	}
	steps = withReasons(repairs(merged(steps), merged(base), changed), changed, written)
	return numbered(steps), nil
}

// simulation runs models of all objects to a fixed point.
type simulation struct {
	kinds   []Kind
	view    *Overlay
	models  map[key]Model
	steps   []Step
	round   int
	written map[key]int // the round in which a changed object comes into force
}

func simulate(ctx context.Context, kinds []Kind, v View, changed []Changed) ([]Step, map[key]int, error) {
	s := &simulation{kinds: kinds, view: NewOverlay(v), models: map[key]Model{}, written: map[key]int{}}
	for _, wave := range waves(changed) {
		for _, c := range wave {
			s.put(c)
		}
		if err := s.settle(ctx, wave); err != nil {
			return nil, nil, err
		}
	}
	return s.steps, s.written, nil
}

func (s *simulation) put(c Changed) {
	s.written[key{c.Kind, c.Name}] = s.round
	if c.New == nil {
		s.view.Remove(c.Kind, c.Name)
		return
	}
	s.view.Put(c.Kind, c.New)
	if c.Dir != "" {
		s.view.dirs[key{c.Kind, c.Name}] = c.Dir
	}
}

// waves sorts changes into the transactions that they are applied by; one empty wave when there are none.
func waves(changed []Changed) [][]Changed {
	if len(changed) == 0 {
		return [][]Changed{nil}
	}
	sorted := slices.Clone(changed)
	slices.SortStableFunc(sorted, func(a, b Changed) int { return cmp.Compare(a.Wave, b.Wave) })
	var out [][]Changed
	for i, c := range sorted {
		if i == 0 || c.Wave != sorted[i-1].Wave {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

// settle asks every model until none has a step: first those that changed, in their order, then all others by name. When all are quiet,
// what runs to an end is assumed to end, once.
func (s *simulation) settle(ctx context.Context, wave []Changed) error {
	order := s.order(wave)
	for range rounds {
		moved, err := s.once(ctx, order)
		if err != nil {
			return err
		}
		if !moved && !s.finish(order) {
			return nil
		}
	}
	return fmt.Errorf("cannot plan: no end after %d rounds", rounds)
}

func (s *simulation) order(wave []Changed) []key {
	var order []key
	seen := map[key]bool{}
	add := func(k key) {
		if !seen[k] {
			seen[k] = true
			order = append(order, k)
		}
	}
	planned := map[string]bool{}
	for _, k := range s.kinds {
		planned[k.Kind()] = true
	}
	for _, c := range wave {
		if planned[c.Kind] {
			add(key{c.Kind, c.Name})
		}
	}
	for _, k := range s.kinds {
		for _, n := range k.Names(s.view) {
			add(key{k.Kind(), n})
		}
	}
	return order
}

// once asks every model once, all over the view as it was before, and then shows what follows.
func (s *simulation) once(ctx context.Context, order []key) (moved bool, err error) {
	type shown struct {
		k key
		o specs.Object
	}
	var later []shown
	for _, k := range order {
		m, err := s.model(ctx, k)
		if err != nil {
			return false, err
		}
		steps, o, err := m.Next(s.view)
		if err != nil {
			return false, fmt.Errorf("cannot plan %s/%s: %w", strings.ToLower(k.kind), k.name, err)
		}
		for _, st := range steps {
			st.Wave = s.round
			s.steps = append(s.steps, st)
		}
		moved = moved || len(steps) > 0
		if was, _ := s.view.Get(k.kind, k.name); o != nil && o != was {
			later, moved = append(later, shown{k, o}), true
		}
	}
	for _, l := range later {
		s.view.Put(l.k.kind, l.o)
	}
	s.round++
	return moved, nil
}

func (s *simulation) model(ctx context.Context, k key) (Model, error) {
	if m := s.models[k]; m != nil {
		return m, nil
	}
	for _, kind := range s.kinds {
		if kind.Kind() == k.kind {
			m, err := kind.Model(ctx, s.view, k.name)
			if err != nil {
				return nil, fmt.Errorf("cannot plan %s/%s: %w", strings.ToLower(k.kind), k.name, err)
			}
			s.models[k] = m
			return m, nil
		}
	}
	return nil, fmt.Errorf("cannot plan %s/%s: no such kind", strings.ToLower(k.kind), k.name)
}

func (s *simulation) finish(order []key) (any bool) {
	for _, k := range order {
		if m := s.models[k]; m != nil && m.Finish() {
			any = true
		}
	}
	return any
}
