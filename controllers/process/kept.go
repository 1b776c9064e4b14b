package process

import (
	"encoding/json"
	"maps"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// What ran goes on running until the new template can be started, also when it crashes meanwhile. For that the template that it was
// started from is remembered, here and, while it is needed, in the store.

// keptBucket has the earlier templates that are in use, by process.
const keptBucket = "kept-templates"

// earlier is a template that the process had before.
type earlier struct {
	Dir  string            `json:"dir"`
	Spec specs.ProcessSpec `json:"spec"`
}

// keepTemplate remembers the template so far, when something runs by it.
func (m *memory) keepTemplate() {
	if m.last == nil || m.hash == "" {
		return
	}
	for _, im := range m.instances {
		if im.hash == m.hash && im.run != nil {
			m.before = maps.Clone(m.before) // a plan's copy has the same
			if m.before == nil {
				m.before = map[string]earlier{}
			}
			m.before[m.hash] = earlier{m.key.dir, m.last.Spec}
			return
		}
	}
}

// dropTemplates forgets the templates that nothing runs by.
func (m *memory) dropTemplates() {
	if len(m.before) == 0 {
		return
	}
	used := map[string]earlier{}
	for _, im := range m.instances {
		if e, ok := m.before[im.hash]; ok && im.run != nil && im.hash != m.hash {
			used[im.hash] = e
		}
	}
	m.before = used
}

// of is what was observed with the template that an instance runs by, to start it again.
func (o *observed) of(m *memory, im *instanceMemory) *observed {
	e, ok := m.before[im.hash]
	if im.hash == o.Hash || !ok || o.Process == nil || im.run == nil {
		return o
	}
	c, p := *o, *o.Process
	p.Spec = e.Spec
	c.Process, c.Hash, c.Dir, c.Revision = &p, im.hash, e.Dir, im.run.Note.Revision
	return &c
}

// keptBlob is what the store must have of earlier templates: those of runs that are not on their way to be replaced.
func (m *memory) keptBlob(o *observed) []byte {
	if len(m.before) == 0 || o.Process == nil {
		return nil
	}
	keep := map[string]earlier{}
	for _, im := range m.instances {
		if e, ok := m.before[im.hash]; ok && im.hash != o.Hash && im.run != nil && (im.stop == nil || im.stop.inPlace()) {
			keep[im.hash] = e
		}
	}
	if len(keep) == 0 {
		return nil
	}
	b, err := json.Marshal(keep)
	if err != nil {
		return nil // it came from JSON
	}
	return b
}

// storeKept writes what the store must have of earlier templates.
func storeKept(t *reconcile.ClientTx, process string, blob []byte) {
	if blob == nil {
		t.DeleteBlob(keptBucket, process)
		return
	}
	t.PutBlob(keptBucket, process, blob)
}

// rememberKept reads the earlier templates that were in use when the operator before this one ended.
func (r *Reconciler) rememberKept() {
	r.client.Store().Blobs(keptBucket, func(name string, value []byte) bool {
		m := r.memory(name)
		m.kept = value
		if err := json.Unmarshal(value, &m.before); err != nil {
			r.o.Log.Error(err, "cannot read the earlier templates of a process; copies of them are not started again", "process", name)
		}
		return true
	})
}

// goesOn tells whether an ended run of an earlier template is started again: nobody stopped it for the current one, and that cannot be
// started yet, or in a RollingUpdate not enough copies of it are ready yet.
func (d *decider) goesOn(in *instance) bool {
	if d.rolls() {
		return d.mayGoOn(in) && !d.mayGo(in)
	}
	return d.mayGoOn(in) && !d.mayReplace()
}

// mayGoOn tells whether an ended run of an earlier template is one that nobody stopped.
func (d *decider) mayGoOn(in *instance) bool {
	if d.Process == nil || d.Down || d.suspended || !in.Earlier || in.Hash == d.Hash || in.Run == nil || in.Ordinal >= d.replicas() {
		return false
	}
	return (in.Stop == nil || in.Stop.inPlace()) && d.again(in)
}

// goOn starts it, now or when its time comes.
func (d *decider) goOn(in *instance) specs.StateWaiting {
	if unmet := d.unmet(); in.Run.Exit.Rebooted && len(unmet) > 0 {
		return d.waitingFor(in, unmet)
	}
	w, due := d.backOff(in)
	if due {
		d.act(d.start(in))
		w = waiting(specs.ReasonStarting, "")
	}
	return w
}
