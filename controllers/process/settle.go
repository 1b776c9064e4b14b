package process

import (
	"time"

	"mirroros.dev/mirroros/reconcile/queue"
)

// settle brings what goes on beside in line with what is: probes, watched files and logs, and what is live.
func (r *Reconciler) settle(m *memory, o *observed, d decision) {
	failures, live := false, false
	for _, im := range m.instances {
		r.followLog(o, im)
		failures = failures || im.failure != nil
		live = live || im.run != nil && im.run.Exit == nil
	}
	r.noteReady(m, o, d)
	r.keepProbing(m, o)
	if !failures && m.mending != nil {
		m.mending, m.watched = nil, 0
	}
	if g := generationOf(o) + 1; m.watched != g { // also after a start, and a failure
		r.watchFiles(m, o.Name, "")
		m.watched = g
	}
	r.setLive(m, o, live)
}

func generationOf(o *observed) int64 {
	if o.Process == nil {
		return 0
	}
	return o.Process.Generation
}

// followLog has the log of a live run watched, and of no other.
func (r *Reconciler) followLog(o *observed, im *instanceMemory) {
	live := im.run != nil && im.run.Exit == nil
	switch {
	case live && !im.attached:
		size := maxLogBytes(nil)
		if o.Process != nil {
			size = maxLogBytes(&o.Process.Spec)
		}
		if err := r.logs.Attach(im.id, size, im.run.PID); err != nil {
			r.o.Log.Error(err, "cannot watch a log", "instance", im.id)
		}
		im.attached = true
	case im.run != nil && !live && im.attached:
		r.logs.Detach(im.id)
		im.attached = false
	}
}

// noteReady keeps since when each instance is ready.
func (r *Reconciler) noteReady(m *memory, o *observed, d decision) {
	for i := range d.Instances {
		out := &d.Instances[i]
		im := m.find(out.ID)
		if im == nil {
			continue
		}
		if !out.Status.Ready {
			im.readySince = time.Time{}
			continue
		}
		if im.readySince.IsZero() {
			im.readySince = o.Now
			for j := range o.Instances {
				if in := &o.Instances[j]; in.ID == out.ID && !in.ReadySince.IsZero() {
					im.readySince = in.ReadySince
				}
			}
		}
	}
}

// setLive keeps whether a process has a live run; while everything is stopped, those that it depends on wait for that.
func (r *Reconciler) setLive(m *memory, o *observed, live bool) {
	r.mu.Lock()
	was := r.live[o.Name]
	if live {
		r.live[o.Name] = true
	} else {
		delete(r.live, o.Name)
	}
	r.mu.Unlock()
	if was && !live && o.Down && m.last != nil {
		for _, dep := range m.last.Spec.DependsOn {
			r.ask(dep.Process, queue.Exit)
		}
	}
}
