package process

import (
	"context"
	"slices"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

const restartedAt = specs.AnnotationRestartedAt

// Planner lends the policy to planning.
func (r *Reconciler) Planner() plan.Kind { return planner{r} }

type planner struct{ r *Reconciler }

// Kind is Process.
func (planner) Kind() string { return "Process" }

// Names of processes that are declared, or have something left on the host.
func (p planner) Names(v plan.View) []string {
	names := p.r.remembered()
	for _, o := range v.List("Process") {
		names = append(names, o.GetName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Model looks at one process.
func (p planner) Model(_ context.Context, _ plan.View, name string) (plan.Model, error) {
	return &model{r: p.r, name: name, m: p.r.peek(name)}, nil
}

// peek is a copy of what is remembered of a process; empty when nothing is.
func (r *Reconciler) peek(name string) *memory {
	r.mu.Lock()
	m := r.memories[name]
	r.mu.Unlock()
	if m == nil {
		return &memory{}
	}
	return m.copyForPlan()
}

// model is one process as it would be.
type model struct {
	r    *Reconciler
	name string
	m    *memory
	// assumed are the instances that differ from how they are, by name; nil is gone.
	assumed map[string]*instance
	status  *specs.Process
	o       *observed
}

// Next decides until there is nothing to do for now, assuming that each action succeeds.
func (m *model) Next(v plan.View) (steps []plan.Step, after specs.Object, err error) {
	o, err := m.observe(v)
	if err != nil {
		return nil, nil, err
	}
	var d decision
	for range maxRounds + 2*int(o.replicas()) {
		if d = decide(o); len(d.Actions) == 0 {
			break
		}
		for _, a := range d.Actions {
			if s, ok := m.step(a); ok {
				steps = append(steps, s)
			}
			o = assume(o, a)
			m.keep(o, a.ID)
		}
	}
	m.o = o
	if o.Process == nil {
		return steps, nil, nil
	}
	p := o.Process
	if d.Executable != "" {
		p = renewed(p, d.Executable)
		m.status = p
	}
	return steps, m.shown(p, d.Status), nil
}

// observe looks at the process over the view, with what was assumed so far.
func (m *model) observe(v plan.View) (*observed, error) {
	if p, ok := getProcess(v, m.name); ok && p != m.m.last && p != m.status {
		m.m.key = templateKey{} // another object may have another template whatever its generation says
	}
	o, err := m.r.observe(look{view: v, m: m.m, name: m.name, planning: true})
	if err != nil {
		return nil, err
	}
	for i := range o.Instances {
		if in, ok := m.assumed[o.Instances[i].ID]; ok && in != nil {
			o.Instances[i] = *in
		}
	}
	o.Instances = slices.DeleteFunc(o.Instances, func(in instance) bool {
		gone, ok := m.assumed[in.ID]
		return ok && gone == nil && !o.desired(&in)
	})
	for id, in := range m.assumed { // those of a template that is no more the current one
		if in != nil && !slices.ContainsFunc(o.Instances, func(i instance) bool { return i.ID == id }) {
			o.Instances = append(o.Instances, *in)
		}
	}
	return o, nil
}

// keep remembers what was assumed of an instance.
func (m *model) keep(o *observed, id string) {
	if m.assumed == nil {
		m.assumed = map[string]*instance{}
	}
	m.assumed[id] = nil
	for i := range o.Instances {
		if o.Instances[i].ID == id {
			in := o.Instances[i]
			m.assumed[id] = &in
		}
	}
}

// shown is the process with a status; the same object as before when the status is.
func (m *model) shown(p *specs.Process, st specs.ProcessStatus) *specs.Process {
	if sameProcessStatus(&p.Status, &st) {
		return p
	}
	n := *p
	n.Status = st
	m.status = &n
	return &n
}

// step is how a plan shows an action; what is only a part of another is not shown.
func (m *model) step(a action) (plan.Step, bool) {
	s := plan.Step{Kind: "Process", Name: m.name, Instance: a.ID, Reason: a.Message}
	switch a.Verb {
	case verbStart:
		s.Verb = plan.Start
		if a.Again {
			s.Verb = plan.Restart
		}
	case verbStop:
		s.Verb = plan.Stop
	case verbKill:
		s.Verb = plan.Stop
	case verbReload:
		s.Verb = plan.Reload
	case verbLimit:
		s.Verb = plan.Limit
	default:
		return s, false
	}
	return s, true
}

// Finish assumes that a process that runs to an end has ended well, where one that was started here has not.
func (m *model) Finish() bool {
	if m.o == nil || m.o.Process == nil || m.o.Process.Spec.RestartPolicy == specs.RestartAlways || m.o.Process.Spec.RestartPolicy == "" {
		return false
	}
	any := false
	for id, in := range m.assumed {
		if in == nil || !in.live() || in.Stop != nil {
			continue
		}
		ended := *in
		ended.end(m.o.Now)
		m.assumed[id], any = &ended, true
	}
	return any
}
