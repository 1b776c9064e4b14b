package process

import (
	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/specs"
)

// healthOf is what is known of a run's health: what its probes found, what was known last of an adopted one, or that it has no probes.
func (r *Reconciler) healthOf(m *memory, o *observed, in *instance, im *instanceMemory) health {
	if !in.live() {
		return health{}
	}
	if o.Process == nil {
		return health{Started: true, Ready: true, Probed: true}
	}
	o = o.of(m, im) // an old copy is as healthy as its own template has it
	if !hasProbes(&o.Process.Spec) {
		return health{Started: true, Ready: true, Probed: true}
	}
	if h, ok := r.prober.health(in.ID, in.Run.Attempt); ok {
		return h.without(&o.Process.Spec)
	}
	h := health{Probed: true}
	if im.adopted && in.Status != nil && int(in.Status.PID) == in.Run.PID {
		h = health{Started: in.Status.Started, Ready: in.Status.Ready}
	}
	return h.without(&o.Process.Spec)
}

// without takes for true what there is no probe for.
func (h health) without(s *specs.ProcessSpec) health {
	h.Started = h.Started || s.StartupProbe == nil
	h.Ready = h.Ready || s.ReadinessProbe == nil
	return h
}

func hasProbes(s *specs.ProcessSpec) bool {
	return s.StartupProbe != nil || s.ReadinessProbe != nil || s.LivenessProbe != nil
}

// keepProbing has the live runs probed as their template says, if that is known, until they are stopped.
func (r *Reconciler) keepProbing(m *memory, o *observed) {
	for _, im := range m.instances {
		live := im.run != nil && im.run.Exit == nil && im.stop == nil
		if !live || o.Process == nil {
			r.prober.drop(im.id)
			continue
		}
		own := o.of(m, im)
		if im.hash != own.Hash || !hasProbes(&own.Process.Spec) {
			r.prober.drop(im.id)
			continue
		}
		if r.prober.probes(im.id, im.run.Attempt, &own.Process.Spec) {
			continue
		}
		for i := range o.Instances {
			if in := &o.Instances[i]; in.ID == im.id && in.live() {
				known := in.Health
				known.Failed = ""
				r.prober.put(r.target(m, own, im), known)
			}
		}
	}
}

// target makes the probes of a run.
func (r *Reconciler) target(m *memory, o *observed, im *instanceMemory) *probeTarget {
	s := &o.Process.Spec
	t := &probeTarget{id: im.id, process: o.Name, attempt: im.run.Attempt, started: im.run.Started}
	for _, p := range []struct {
		spec *specs.Probe
		to   **probed
	}{{s.StartupProbe, &t.startup}, {s.ReadinessProbe, &t.readiness}, {s.LivenessProbe, &t.liveness}} {
		if p.spec != nil {
			*p.to = &probed{spec: p.spec, check: r.checker(m, o, im, &p.spec.Handler)}
		}
	}
	return t
}

// logFault says what a workload did to its log.
func logFault(h logs.Health) fault {
	switch {
	case h.Deleted:
		return fault{Reason: specs.ReasonLogDeleted, Message: "the workload removed its log; lines are read while it runs, and lost when it ends"}
	case h.Truncated:
		return fault{Reason: specs.ReasonLogTruncated, Message: "the workload made its log shorter: lines were lost"}
	case h.Err != nil:
		return fault{Reason: specs.ReasonLogUnavailable, Message: h.Err.Error()}
	}
	return fault{}
}
