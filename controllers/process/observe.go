package process

import (
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

// look is how to observe: which objects, which memory, and how thoroughly.
type look struct {
	view plan.View
	m    *memory
	name string
	// planning looks at the template even when only the start itself would.
	planning bool
	// room for instances; none is made anew.
	room []instance
}

// observe gathers all that decide may know of one process. Beside the memory's own record of what it sees, and of who waits for whom
// (not while planning), it changes nothing.
func (r *Reconciler) observe(l look) (*observed, error) {
	o := &observed{Now: r.now(), Name: l.name, Down: r.down.Load(), Instances: l.room}
	if p, ok := getProcess(l.view, l.name); ok {
		var err error
		if o.Dir, err = r.dir(l.view, p); err != nil {
			return nil, err
		}
		l.m.template(p, o.Dir)
		o.Process, o.Hash, o.Changed, o.Revision = p, l.m.hash, l.m.changed, r.revision(p)
		if !l.planning {
			r.waitFor(l.m, p)
		}
		r.dependencies(o, l)
		o.Checked = checked(l.view, l.name)
	} else if l.m.last != nil {
		o.Last = planOf(&l.m.last.Spec)
	}
	o.Served = r.o.Gate != nil && r.o.Gate.Served(l.name)
	r.instances(o, l)
	if o.Down {
		o.Held = r.liveDependents(l.name)
	}
	if o.Process != nil && needsTemplate(o, l.planning) {
		_, o.Template = r.resolver.resolve(subject{process: o.Process, dir: o.Dir, id: l.m.hash, ports: declaredPorts(&o.Process.Spec), gate: r.o.Gate})
	}
	return o, nil
}

func getProcess(v plan.View, name string) (*specs.Process, bool) {
	o, ok := v.Get("Process", name)
	if !ok {
		return nil, false
	}
	p, ok := o.(*specs.Process)
	return p, ok
}

// needsTemplate tells whether decide must know beforehand if the template can be started: old copies would be stopped for it, or it
// could not be and may be now. Else the start itself tells.
func needsTemplate(o *observed, planning bool) bool {
	for i := range o.Instances {
		in := &o.Instances[i]
		switch {
		case in.Hash != o.Hash && in.Stop == nil && (in.live() || in.Earlier && in.Run != nil):
			return true
		case !in.live() && o.desired(in) && (planning || in.Failure != nil && in.Failure.Early):
			return true
		}
	}
	return false
}

// dependencies looks up what the process depends on.
func (r *Reconciler) dependencies(o *observed, l look) {
	deps := o.Process.Spec.DependsOn
	r.gateDependencies(o, l)
	for _, d := range deps {
		if d.Route != "" {
			o.Dependencies = append(o.Dependencies, r.routeDependency(l, d))
			continue
		}
		p, found := getProcess(l.view, d.Process)
		met, looked := found && isMet(p, d.Condition), l.planning || r.hasLooked(d.Process)
		o.Dependencies = append(o.Dependencies, dependency{Name: d.Process, Condition: d.Condition, Found: found, Met: met && looked, Unlooked: met && !looked})
	}
}

// isMet tells whether a process is as far as a condition says, by its status of its present generation.
func isMet(p *specs.Process, c specs.DependencyCondition) bool {
	if p.Status.ObservedGeneration != p.Generation {
		return false
	}
	switch c {
	case specs.DependencyStarted:
		return conditionTrue(p.Status.Conditions, conditionStarted)
	case specs.DependencyCompleted:
		return conditionTrue(p.Status.Conditions, conditionCompleted)
	}
	return conditionTrue(p.Status.Conditions, specs.ConditionReady)
}

// instances lists what is desired and what is there.
func (r *Reconciler) instances(o *observed, l look) {
	if o.Instances == nil {
		o.Instances = make([]instance, 0, len(l.m.ids))
	}
	if o.Process != nil {
		for i, id := range l.m.ids {
			r.addInstance(o, l, id, int32(i), l.m.hash)
		}
	}
	for _, im := range l.m.instances {
		if o.Process == nil || im.hash != l.m.hash || int(im.ordinal) >= len(l.m.ids) {
			r.addInstance(o, l, im.id, im.ordinal, im.hash)
		}
	}
}

// addInstance observes one instance: stored object, runtime, memory, files, log and probes.
func (r *Reconciler) addInstance(o *observed, l look, id string, ordinal int32, hash string) {
	in := instance{ID: id, Ordinal: ordinal, Hash: hash}
	var stored *specs.Instance
	if obj, ok := l.view.Get("Instance", id); ok {
		if stored, ok = obj.(*specs.Instance); ok {
			in.Status, in.Stored = &stored.Status, true
		}
	}
	ri, found := r.runtime.Get(id)
	im := l.m.find(id)
	if im == nil { // also one that only waits: when it is not desired any more its object goes
		im = l.m.instance(id, ordinal, hash)
	}
	im.see(ri, found, stored, o.Now)
	im.undeclared = im.undeclared && o.Process == nil
	_, in.Earlier = l.m.before[hash]
	in.Run, in.Stop, in.Failure, in.Undeclared = im.run, im.stop, im.failure, im.undeclared
	in.Freed = im.failure != nil && im.failure.Holder != "" && r.ports.of(im.failure.Port) != im.failure.Holder
	r.observeRun(o, l, &in, im)
	o.Instances = append(o.Instances, in)
}

// observeRun adds what belongs to a run.
func (r *Reconciler) observeRun(o *observed, l look, in *instance, im *instanceMemory) {
	if im.run == nil {
		in.Ended = im.ended
		return
	}
	if im.run.Exit != nil && im.endedRun != im.run.Attempt {
		im.endedRun = im.run.Attempt
		if im.ended = storedEnd(im, in.Status); im.ended == nil {
			im.ended = r.endOf(l.m, o, im)
		}
	}
	in.Ended, in.ReadySince = im.ended, im.readySince
	in.Health = r.healthOf(l.m, o, in, im)
	if o.Process != nil && in.Hash == o.Hash {
		in.Config = r.configChange(&o.Process.Spec, l.m.key.dir, im)
	}
	in.Executable, in.NewExecutable = r.executable(in, im, o.Name)
	in.ExecutableChanged = in.NewExecutable != ""
	if in.live() {
		in.LogFault = logFault(r.logs.Health(in.ID))
	}
	if in.ReadySince.IsZero() && im.adopted && in.Status != nil {
		if in.ReadySince = storedReady(in.Status, o.Now); in.ReadySince.Before(im.run.Started) && !in.ReadySince.IsZero() {
			in.ReadySince = im.run.Started // the clock was set since
		}
	}
}

// endOf tells how a run ended, with its last words when that was its own failure.
func (r *Reconciler) endOf(m *memory, o *observed, im *instanceMemory) *specs.StateTerminated {
	var tail []string
	if !succeeded(im.run) && (im.stop == nil || im.stop.failed()) && !im.run.Exit.Rebooted {
		tail = trimTail(r.redactor(m, o, im).lines(r.logs.Tail(im.id, 5)))
	}
	return terminated(im.run, im.stop, tail)
}

// storedEnd is how a run ended as an earlier operator has told it, nil when none has. It is not told otherwise now: the last words may not
// be found again (the log went on, the values to hide in them are not known), and the time of a reboot is reckoned anew each time.
func storedEnd(im *instanceMemory, st *specs.InstanceStatus) *specs.StateTerminated {
	if !im.adopted || st == nil || st.State.Running != nil || st.State.Stopping != nil || st.RestartCount != im.run.Note.Restarts {
		return nil
	}
	end := st.LastExit()
	if end == nil || !end.StartedAt.Equal(seconds(im.run.StartedAt)) || end.ExitCode != terminated(im.run, im.stop, nil).ExitCode {
		return nil
	}
	return end
}

// storedReady is since when status has it ready.
func storedReady(st *specs.InstanceStatus, now time.Time) time.Time {
	for i := range st.Conditions {
		if c := &st.Conditions[i]; c.Type == specs.ConditionReady && c.Status == "True" {
			return awake(now, c.LastTransitionTime.Time, 0)
		}
	}
	return time.Time{}
}

// trimTail cuts empty and long lines of what a program said last.
func trimTail(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		if l = strings.TrimSpace(strings.ToValidUTF8(l, "?")); l != "" {
			out = append(out, l[:min(len(l), 200)])
		}
	}
	return out
}
