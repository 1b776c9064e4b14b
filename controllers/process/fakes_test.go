package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/specs"
)

// fakeRuntime keeps runs in memory. A stop ends a run at once, unless it is stubborn.
type fakeRuntime struct {
	mu       sync.Mutex
	runs     map[string]*runner.Instance
	specs    map[string]runner.Spec
	now      func() time.Time
	notify   func(id string)
	log      []string // verb and instance, in order
	failNext int
	err      error
	stubborn bool
	pid      int
	onStop   func(id string) // before a run is stopped; nil for nothing
	onKill   func(id string) // before a run is killed; nil for nothing
	unmet    group.Unmet     // of every run
	began    time.Duration   // the awake clock's reading when time began; 0: runs do not know it
	start    time.Time
}

func newFakeRuntime(now func() time.Time) *fakeRuntime {
	return &fakeRuntime{runs: map[string]*runner.Instance{}, specs: map[string]runner.Spec{}, now: now, notify: func(string) {}, pid: 100}
}

// awake gives runs readings of the awake clock, as the real runtime does.
func (f *fakeRuntime) awake() {
	f.start = f.now()
	f.began = 1 + f.start.Sub(runner.AwakeAt(1))
}

func (f *fakeRuntime) reading() time.Duration {
	if f.began == 0 {
		return 0
	}
	return f.began + f.now().Sub(f.start)
}

// setClock sets the wall clock ahead: what was noted before is as much further back.
func (f *fakeRuntime) setClock(ahead time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, i := range f.runs {
		c := *i
		for _, t := range []*time.Time{&c.Started, &c.Announced, &c.Stopping} {
			if !t.IsZero() {
				*t = t.Add(-ahead)
			}
		}
		if c.Exit != nil {
			x := *c.Exit
			x.At = x.At.Add(-ahead)
			c.Exit = &x
		}
		f.runs[id] = &c
	}
}

func (f *fakeRuntime) Run(ctx context.Context, notify func(string)) error {
	<-ctx.Done()
	return nil
}

func (f *fakeRuntime) List() (out []runner.Instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.runs {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b runner.Instance) int { return compareStrings(a.ID, b.ID) })
	return out
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (f *fakeRuntime) Get(id string) (runner.Instance, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.runs[id]; i != nil {
		return *i, true
	}
	return runner.Instance{}, false
}

func (f *fakeRuntime) Start(s runner.Spec) (runner.Instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.runs[s.ID]
	switch {
	case old != nil && old.Exit == nil:
		panic("started twice: " + s.ID)
	case old != nil && old.Attempt >= s.Attempt:
		panic(fmt.Sprintf("attempt %d again: %s", s.Attempt, s.ID))
	case len(s.Note) > 4096:
		panic("note is too long")
	}
	if f.failNext > 0 {
		f.failNext--
		err := f.err
		if err == nil {
			err = syscall.ENOEXEC
		}
		return runner.Instance{}, fmt.Errorf("cannot start: %w", err)
	}
	f.pid++
	f.runs[s.ID] = &runner.Instance{ID: s.ID, Owner: s.Owner, Hash: s.Hash, Attempt: s.Attempt, Note: s.Note, PID: f.pid, Started: f.now().Round(0),
		StartedAwake: f.reading(), Limits: s.Limits, Unmet: f.unmet}
	f.specs[s.ID] = s
	f.log = append(f.log, "start "+s.ID)
	return *f.runs[s.ID], nil
}

func (f *fakeRuntime) Announce(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.runs[id]; i != nil && i.Exit == nil {
		c := *i
		c.Announced, c.AnnouncedAwake = f.now().Round(0), f.reading()
		f.runs[id] = &c
	}
	return nil
}

func (f *fakeRuntime) Stop(id string, _ syscall.Signal) error {
	if f.onStop != nil {
		f.onStop(id)
	}
	f.mu.Lock()
	i := f.runs[id]
	if i == nil || i.Exit != nil {
		f.mu.Unlock()
		return runner.ErrEnded
	}
	again := !i.Stopping.IsZero()
	if !again {
		f.log = append(f.log, "stop "+id)
		c := *i
		c.Stopping, c.StoppingAwake = f.now().Round(0), f.reading()
		f.runs[id] = &c
	}
	stubborn := f.stubborn
	f.mu.Unlock()
	if !stubborn && !again {
		f.exit(id, runner.Exit{Known: true, Signal: syscall.SIGTERM})
	}
	return nil
}

func (f *fakeRuntime) Signal(id string, s syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf("signal %d %s", s, id))
	return nil
}

func (f *fakeRuntime) Limit(id string, l group.Limits) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, "limit "+id)
	c := *f.runs[id]
	c.Limits = l
	f.runs[id] = &c
	return nil
}

func (f *fakeRuntime) Kill(id string) error {
	if f.onKill != nil {
		f.onKill(id)
	}
	f.mu.Lock()
	f.log = append(f.log, "kill "+id)
	f.mu.Unlock()
	f.exit(id, runner.Exit{Known: true, Signal: syscall.SIGKILL})
	return nil
}

func (f *fakeRuntime) Forget(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.runs[id]; i != nil && i.Exit == nil {
		return runner.ErrRunning
	}
	delete(f.runs, id)
	return nil
}

func (f *fakeRuntime) Beside(string) (*runner.Side, error) { return &runner.Side{}, nil }

// exit ends a run.
func (f *fakeRuntime) exit(id string, e runner.Exit) {
	f.mu.Lock()
	i := f.runs[id]
	if i == nil || i.Exit != nil {
		f.mu.Unlock()
		return
	}
	e.At, e.Awake = f.now().Round(0), f.reading()
	c := *i
	c.Exit = &e
	f.runs[id] = &c
	notify := f.notify
	f.mu.Unlock()
	notify(id)
}

// change changes what is known of a run.
func (f *fakeRuntime) change(id string, how func(*runner.Instance)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := *f.runs[id]
	if c.Exit != nil {
		x := *c.Exit
		c.Exit = &x
	}
	how(&c)
	f.runs[id] = &c
}

// adopt is what another operator finds.
func (f *fakeRuntime) adopt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, i := range f.runs {
		c := *i
		c.Adopted = true
		f.runs[id] = &c
	}
}

func (f *fakeRuntime) live() (ids []string) {
	for _, i := range f.List() {
		if i.Exit == nil {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

func (f *fakeRuntime) takeLog() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log
	f.log = nil
	return l
}

// fakeLogs keeps which logs there are.
type fakeLogs struct {
	mu   sync.Mutex
	ids  map[string]bool
	tail []string
	live map[string]bool
}

func newFakeLogs() *fakeLogs { return &fakeLogs{ids: map[string]bool{}, live: map[string]bool{}} }

func (f *fakeLogs) Writer(id string, _ int64) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids[id], f.live[id] = true, true
	return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
}
func (f *fakeLogs) Mark(string, int) error { return nil }
func (f *fakeLogs) Attach(id string, _ int64, _ int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live[id] = true
	return nil
}
func (f *fakeLogs) Detach(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, id)
}
func (f *fakeLogs) Tail(string, int) []string { return f.tail }
func (f *fakeLogs) Health(string) logs.Health { return logs.Health{} }
func (f *fakeLogs) Remove(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ids[id] {
		return errors.New("no such log")
	}
	delete(f.ids, id)
	return nil
}
func (f *fakeLogs) List() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.ids {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// fakeEvents keeps what was told.
type fakeEvents struct {
	mu   sync.Mutex
	told []string
}

func (f *fakeEvents) Event(o specs.Object, typ, reason, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, typ+" "+reason+" "+message)
}

type (
	request_ = reconcile.Request
	prio     = queue.Priority
)
