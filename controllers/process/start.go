package process

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// start starts one run of an instance, or remembers why not.
func (r *Reconciler) start(m *memory, o *observed, im *instanceMemory, a action) {
	if f := r.tryStart(m, o, im, a); f != nil {
		r.fail(m, o, im, *f)
		return
	}
	im.failure = nil
	m.logs = without(m.logs, im.id) // it is in use again
}

func (r *Reconciler) tryStart(m *memory, o *observed, im *instanceMemory, a action) *fault {
	spec := &o.Process.Spec
	given, f := r.ports.take(im.id, spec.Ports, r.keptPorts(m, o, im), r.fixedElsewhere(o.Name))
	if f != nil {
		return r.untilGiven(f)
	}
	s := r.admission(subject{process: o.Process, dir: o.Dir, id: im.id, ordinal: a.Ordinal, ports: given})
	if o.Process.Spec.StateDirectory != "" { // a sandbox can only have what is there
		if f := r.makeStateDirectory(o.Process); f != nil {
			return f
		}
	}
	res, f := r.resolver.resolve(s)
	if f != nil {
		return f
	}
	r.awaitGates(o.Process)
	n := r.noteFor(m, o, a, res, given)
	return r.run(im, a, s, res, n, o)
}

// makeStateDirectory makes it for the process' user.
func (r *Reconciler) makeStateDirectory(p *specs.Process) *fault {
	who, f := r.resolver.credential(p.Spec.User, p.Spec.Group)
	if f != nil {
		return f
	}
	if f = r.resolver.makeStateDirectory(r.resolver.stateDirectory(p.Spec.StateDirectory), who.credential); f != nil {
		f.Reason, f.Early = specs.ReasonStateDirectoryUnavailable, false
	}
	return f
}

// untilGiven makes no fault of it when a port is still another instance's whose process is gone: that one is ending.
func (r *Reconciler) untilGiven(f *fault) *fault {
	owner, _, _, ok := parseInstanceName(f.Holder)
	if _, declared := getProcess(r.view, owner); ok && !declared {
		f.Reason, f.Message = waitReplacing, fmt.Sprintf("waits until instance %s has ended and given port %d back", f.Holder, f.Port)
	}
	return f
}

// run hands the program to the runtime.
func (r *Reconciler) run(im *instanceMemory, a action, s subject, res *resolved, n note, o *observed) *fault {
	out, err := r.logs.Writer(im.id, maxLogBytes(&o.Process.Spec))
	if err != nil {
		return &fault{Reason: specs.ReasonLogUnavailable, Message: fmt.Sprintf("cannot open the log: %v", err)}
	}
	defer out.Close()
	if err := r.logs.Mark(im.id, a.Attempt); err != nil {
		r.o.Log.Error(err, "cannot mark the log", "instance", im.id)
	}
	box, f := r.resolver.confine(s, res, out.Name())
	if f != nil {
		return f
	}
	n.Degraded = box.degraded
	if box.sandbox != nil && box.sandbox.Doors != nil {
		defer s.gate.Admitted(im.id)
	}
	ri, err := r.runtime.Start(runner.Spec{ID: im.id, Owner: o.Name, Hash: o.Hash, Attempt: a.Attempt, Note: n.encode(),
		Path: res.Path, Argv: res.Argv, Env: res.Env, Dir: res.Dir, Credential: res.Credential,
		Limits: limitsOf(&o.Process.Spec), Sandbox: box.sandbox, Output: out.Fd()})
	switch {
	case r.ranAlready(im.id, a.Attempt, err):
		return nil // the next look sees it
	case err != nil:
		return startFault(res.Path, err)
	}
	im.see(ri, true, nil, r.now())
	im.adopted, im.attached = false, true
	hide := res.values.redactor()
	im.redact = &hide
	return nil
}

// ranAlready tells whether a start was refused because the run is there.
func (r *Reconciler) ranAlready(id string, attempt int, err error) bool {
	if !errors.Is(err, runner.ErrRunning) && !errors.Is(err, runner.ErrTaken) {
		return false
	}
	ri, found := r.runtime.Get(id)
	return found && ri.Attempt >= attempt
}

// startFault says what the kernel meant.
func startFault(path string, err error) *fault {
	f := &fault{Reason: specs.ReasonCannotStart, Path: path}
	switch {
	case errors.Is(err, syscall.ENOENT):
		f.Message = fmt.Sprintf("the program %q, or the interpreter that its first line or its header names, does not exist", path)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		f.Message = fmt.Sprintf("the program %q may not be executed: %v", path, err)
	case errors.Is(err, syscall.ENOEXEC):
		f.Message = fmt.Sprintf("the program %q has no format that this host executes; a script needs a first line such as #!/bin/sh", path)
	case errors.Is(err, syscall.E2BIG):
		f.Message = fmt.Sprintf("arguments and environment of %q are over the kernel's limit", path)
	default:
		f.Message = err.Error()
	}
	return f
}

// fail remembers a start that came to nothing.
func (r *Reconciler) fail(m *memory, o *observed, im *instanceMemory, f fault) {
	n := &failure{fault: f, At: r.now(), Count: 1, Generation: o.Process.Generation, Restart: o.Process.Annotations[specs.AnnotationRestartedAt]}
	if was := im.failure; was != nil && was.Generation == n.Generation && was.Restart == n.Restart {
		n.Count = was.Count + 1
	}
	im.failure = n
	if f.Path != "" {
		m.watchAlso(f.Path)
	}
}

// watchAlso has a file's change looked at; settle hands the paths to the watcher.
func (m *memory) watchAlso(path string) {
	for _, p := range m.mending {
		if p == path {
			return
		}
	}
	m.mending, m.watched = append(m.mending, path), 0
}

// keptPorts are those that the instance had before, or else those of the ended one whose place it takes. What has ended and is not wanted
// needs its ports no more.
func (r *Reconciler) keptPorts(m *memory, o *observed, im *instanceMemory) (kept []specs.InstancePort) {
	if len(o.Process.Spec.Ports) == 0 {
		return nil
	}
	for _, other := range m.instances {
		if other.run != nil && other.run.Exit != nil && !m.wanted(other) {
			r.ports.release(other.id)
			if other.ordinal == im.ordinal {
				kept = other.run.Note.Ports
			}
		}
	}
	if im.run != nil {
		return im.run.Note.Ports
	}
	for i := range o.Instances {
		if in := &o.Instances[i]; in.ID == im.id && in.Status != nil && len(in.Status.Ports) > 0 {
			return in.Status.Ports
		}
	}
	return kept
}

// fixedElsewhere tells whether another process declares a port number as its own.
func (r *Reconciler) fixedElsewhere(name string) func(int32) bool {
	var fixed map[int32]bool
	return func(n int32) bool {
		if n < firstPort || n > lastPort {
			return false
		}
		if fixed == nil {
			fixed = map[int32]bool{}
			for _, o := range r.view.List("Process") {
				if p, ok := o.(*specs.Process); ok && p.Name != name {
					for _, d := range p.Spec.Ports {
						fixed[d.Port] = true
					}
				}
			}
		}
		return fixed[n]
	}
}

// noteFor is what must be known of the run later.
func (r *Reconciler) noteFor(m *memory, o *observed, a action, res *resolved, given []specs.InstancePort) note {
	spec := &o.Process.Spec
	r.watchFiles(m, o.Name, res.Path)
	m.watched = 0 // once more when the run is known
	return note{Ordinal: a.Ordinal, Restarts: a.Restarts, Streak: a.Streak, Restart: o.Process.Annotations[specs.AnnotationRestartedAt],
		Ports: given, Revision: o.Revision, Version: spec.Version, Config: r.configDigests(spec, o.Dir),
		Executable: r.files.identity(res.Path), Stop: notedStop(spec, o.Dir, res),
		User: spec.User, Group: spec.Group, Dir: res.Dir, StateDirectory: spec.StateDirectory}
}

// notedStop is how to stop the run when its process is gone: with the handler's variables expanded as far as they are no secrets.
func notedStop(s *specs.ProcessSpec, dir string, res *resolved) stopPlan {
	p := planOf(s)
	if p.PreStop == nil || p.PreStop.Exec == nil {
		return p
	}
	h := *p.PreStop
	h.Exec = &specs.ExecAction{}
	for _, arg := range p.PreStop.Exec.Command {
		text, f := res.values.expand("preStop", arg)
		if f != nil {
			text = arg
		}
		h.Exec.Command = append(h.Exec.Command, text)
	}
	if path, f := program(h.Exec.Command[0], dir, res.values); f == nil {
		h.Exec.Command[0] = path
	}
	p.PreStop = &h
	return p
}

func maxLogBytes(s *specs.ProcessSpec) int64 {
	if s == nil || s.Log == nil || s.Log.MaxBytes == nil {
		return specs.DefaultLogMaxBytes
	}
	return s.Log.MaxBytes.Value()
}

// watchFiles has the files watched that matter to the process: config files, programs, and those that may mend a failed start.
func (r *Reconciler) watchFiles(m *memory, name string, program string) {
	paths := make([]string, 0, len(m.paths)+1)
	add := func(p string) {
		if p != "" && filepath.IsAbs(p) && !contains(paths, p) {
			paths = append(paths, p)
		}
	}
	if m.last != nil {
		for i := range m.last.Spec.ConfigFiles {
			add(absolute(m.key.dir, m.last.Spec.ConfigFiles[i].Path))
		}
	}
	add(program)
	for _, im := range m.instances {
		if im.run != nil && im.run.Exit == nil {
			add(im.run.Note.Executable.Path)
		}
	}
	for _, p := range m.mending {
		add(p)
	}
	if !equalPaths(paths, m.paths) {
		r.files.watch(name, m.paths, paths)
		m.paths = paths
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func equalPaths(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !contains(b, a[i]) {
			return false
		}
	}
	return true
}
