package process

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// memory is what is remembered of one process between reconciles: places on the awake time line, what was found by reading, and what
// is under way. Whatever must outlive the operator is in the runtime's notes or in the store.
type memory struct {
	mu sync.Mutex // held for a whole reconcile of the process; guards all below

	// last is the process as it was seen last; changed what of the template differed from the one before.
	last    *specs.Process
	changed []string
	// template identity and hash of it, and the names of its instances.
	key  templateKey
	hash string
	ids  []string
	// before are earlier templates by hash, of instances that run by them; kept is what the store has of that.
	before map[string]earlier
	kept   []byte
	// instances that run, ended, or could not be started.
	instances []*instanceMemory
	// logs of instances that are no more, oldest first.
	logs []string
	// paths of files that matter to the process; mending are those whose change may mend a failed start. watched is the generation,
	// counted from 1, that they are of.
	paths, mending []string
	watched        int64
	// depends is the process whose dependsOn is known to others.
	depends *specs.Process
	// untold is what was done and is told once the status has it: [Reconciler.write].
	untold []told
}

// templateKey is equal as long as the template hash must be.
type templateKey struct {
	uid        types.UID
	generation int64
	dir        string
	executable string
}

// instanceMemory is what is remembered of one instance.
type instanceMemory struct {
	id      string
	ordinal int32
	hash    string

	// run is the last run; nil before the first. Its Exit is nil while it lives. It is never changed, only replaced.
	run     *run
	stop    *stop
	failure *failure
	// ended is how a run ended last, the one of the attempt endedRun.
	ended    *specs.StateTerminated
	endedRun int
	// adopted: an earlier operator started the run. attached: its log is watched. undeclared: neither it nor its process was in the store
	// when the operator began, and the process was not declared since: the store was lost, nobody removed anything.
	adopted, attached, undeclared bool
	// redact hides the values that the run was given by reference; nil when an earlier operator started it.
	redact *redactor
	// config is the digest of each config file that the run has read, by path: at the start, and at each reload.
	config     map[string]string
	read       *configRead // at the last reload; nil without one
	executable *specs.Executable
	readySince time.Time
}

// instance finds or makes the memory of an instance.
func (m *memory) instance(id string, ordinal int32, hash string) *instanceMemory {
	if im := m.find(id); im != nil {
		return im
	}
	im := &instanceMemory{id: id, ordinal: ordinal, hash: hash}
	m.instances = append(m.instances, im)
	return im
}

func (m *memory) find(id string) *instanceMemory {
	for _, im := range m.instances {
		if im.id == id {
			return im
		}
	}
	return nil
}

// wanted tells whether an instance is one of those that are declared.
func (m *memory) wanted(im *instanceMemory) bool {
	return im.hash == m.hash && int(im.ordinal) < len(m.ids)
}

// sweep drops what nothing is left of, and nothing is wanted.
func (m *memory) sweep(gone bool, dropped func(id string)) {
	m.instances = slices.DeleteFunc(m.instances, func(im *instanceMemory) bool {
		drop := im.run == nil && (gone || !m.wanted(im))
		if drop {
			dropped(im.id)
		}
		return drop
	})
	m.dropTemplates()
}

// copyForPlan is a copy that a plan may use: what it points to is never changed, only replaced.
func (m *memory) copyForPlan() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &memory{last: m.last, changed: m.changed, key: m.key, hash: m.hash, ids: m.ids, before: m.before}
	for _, im := range m.instances {
		n := *im
		c.instances = append(c.instances, &n)
	}
	return c
}

// template brings hash, names and changed fields up to date with the process.
func (m *memory) template(p *specs.Process, dir string) {
	key := templateKey{p.UID, p.Generation, dir, p.Annotations[specs.AnnotationExecutable]}
	if key == m.key && m.hash != "" && len(m.ids) == int(replicasOf(p)) {
		m.last = p
		return
	}
	hash := templateHash(p, dir)
	if hash != m.hash {
		m.keepTemplate()
	}
	if hash != m.hash || m.changed == nil {
		m.changed = nil
		if m.last != nil {
			m.changed = templateChanges(&m.last.Spec, &p.Spec)
			if len(m.changed) == 0 && m.key.dir != "" && m.key.dir != dir {
				m.changed = []string{"workingDir"} // the manifest moved, and relative paths with it
			}
			if key.executable != m.key.executable {
				m.changed = append(m.changed, "executable")
			}
		}
	}
	m.last, m.key, m.hash = p, key, hash
	m.ids = make([]string, replicasOf(p))
	for i := range m.ids {
		m.ids[i] = instanceName(p.Name, hash, int32(i))
	}
}

// templateHash names the template of a process. The digest of its program belongs to it when copies of an older file were replaced one by
// one: for that the two need names of their own.
func templateHash(p *specs.Process, dir string) string {
	hash := specs.TemplateHash(p, absolute(dir, p.Spec.WorkingDir))
	digest := p.Annotations[specs.AnnotationExecutable]
	if digest == "" {
		return hash
	}
	sum := sha256.Sum256([]byte(hash + digest))
	return hex.EncodeToString(sum[:])[:len(hash)]
}

func replicasOf(p *specs.Process) int32 {
	if p.Spec.Replicas == nil {
		return 1
	}
	return max(*p.Spec.Replicas, 0)
}

// instanceName is the name of a copy: <process>-<template hash>-<ordinal>.
func instanceName(process, hash string, ordinal int32) string {
	return process + "-" + hash + "-" + strconv.Itoa(int(ordinal))
}

// parseInstanceName splits the name of an instance.
func parseInstanceName(id string) (process, hash string, ordinal int32, ok bool) {
	last := lastDash(id)
	if last < 0 {
		return "", "", 0, false
	}
	n, err := strconv.ParseInt(id[last+1:], 10, 32)
	middle := lastDash(id[:last])
	if err != nil || middle <= 0 || n < 0 {
		return "", "", 0, false
	}
	return id[:middle], id[middle+1 : last], int32(n), true
}

func lastDash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '-' {
			return i
		}
	}
	return -1
}

// see brings the memory of an instance up to date with the runtime.
func (im *instanceMemory) see(ri runner.Instance, found bool, stored *specs.Instance, now time.Time) {
	if !found {
		im.run, im.stop = nil, nil
		return
	}
	if im.run == nil || im.run.Attempt != ri.Attempt {
		im.newRun(ri, now)
	}
	unmet := ""
	if len(ri.Unmet) > 0 {
		unmet = ri.Unmet.String()
	}
	if im.run.PID != ri.PID || im.run.Stray != ri.Stray || (im.run.Exit == nil) != (ri.Exit == nil) || im.run.Limits != ri.Limits || im.run.Unmet != unmet {
		r := *im.run
		r.PID, r.Stray, r.Limits, r.Unmet = ri.PID, ri.Stray, ri.Limits, unmet
		if r.Exit == nil && ri.Exit != nil {
			r.Exit, r.ExitedAt, r.Exited = ri.Exit, ri.Exit.At, awake(now, ri.Exit.At, ri.Exit.Awake)
			if r.Exited.Before(r.Started) {
				r.Started = r.Exited // the clock was set between the two, and that is all there is
			}
		}
		im.run = &r
	}
	if im.stop == nil {
		im.stop = foundStop(ri, stored, now)
	}
}

func (im *instanceMemory) newRun(ri runner.Instance, now time.Time) {
	n := decodeNote(ri.Note)
	im.run = &run{Attempt: ri.Attempt, PID: ri.PID, Note: n, StartedAt: ri.Started, Started: awake(now, ri.Started, ri.StartedAwake)}
	im.stop, im.readySince, im.executable, im.redact = nil, time.Time{}, nil, nil
	im.endedRun = 0
	im.adopted, im.attached, im.config = ri.Adopted, !ri.Adopted, n.Config
	if im.read != nil && im.read.Started.Equal(ri.Started) {
		im.config = im.read.Config
	}
}

// foundStop is a stop that an earlier operator began: what the runtime has, and why as status says it of the same run. One of which only the
// runtime knows that it was about to begin is decided anew.
func foundStop(ri runner.Instance, stored *specs.Instance, now time.Time) *stop {
	s := &stop{SinceAt: ri.Stopping, Since: awake(now, ri.Stopping, ri.StoppingAwake), Signalled: !ri.Stopping.IsZero()}
	if stored != nil {
		s.reasonOf(ri, &stored.Status)
	}
	switch {
	case !s.Found && !s.Signalled:
		return nil
	case !ri.Announced.IsZero():
		s.SinceAt, s.Since = ri.Announced, awake(now, ri.Announced, ri.AnnouncedAwake)
	case !s.Signalled:
		s.SinceAt = stored.Status.State.Stopping.Since.Time
		s.Since = awake(now, s.SinceAt, 0)
	}
	return s
}

// reasonOf reads why a run is being stopped, or was, from what status says of the same run.
func (s *stop) reasonOf(ri runner.Instance, st *specs.InstanceStatus) {
	if st.State.Stopping != nil && int(st.PID) == ri.PID {
		s.Found, s.Reason = true, stopReason(st.State.Stopping.Reason)
	} else if end := st.LastExit(); s.Signalled && end != nil && end.StartedAt.Equal(seconds(ri.Started)) {
		s.Reason = stopReason(end.Reason)
	}
}

// awake puts a moment on the awake time line: by the awake clock's reading where there is one, else by the wall's, as far back as that
// clock has it now. Never ahead.
func awake(now, wall time.Time, reading time.Duration) time.Time {
	if reading > 0 {
		if at := runner.AwakeAt(reading); at.Before(now) {
			return at
		}
		return now
	}
	return now.Add(-max(0, now.Round(0).Sub(wall.Round(0))))
}
