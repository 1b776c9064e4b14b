package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// Runner holds the runs of one state directory. Make it with Open.
type Runner struct {
	o             Options
	boot          string // id of this boot
	caps          Capabilities
	claims, exits string
	host          *group.Host
	calm          bool // new processes must lose our negative oom_score_adj or nice

	held               map[uint64]int // pidfds that the guardian handed on, by inode, during Open
	epoll, wake, watch int            // the loop's epoll, an eventfd that wakes it, inotify on exits
	loop               *os.File       // epoll, for the runtime's poller

	removing sync.Mutex // held while a cgroup of an ended run is removed, taken after mu: a Forget waits for that

	mu    sync.Mutex
	procs map[string]*proc
	byFD  map[int32]*proc // by pidfd and by descriptor of cgroup.events
	busy  map[string]bool // instances whose claims are being changed: Start and Forget exclude each other
	timed map[*proc]bool  // those with a deadline
	told  []*proc         // ended, notify not called yet
	table []stat          // all processes, for this turn of the loop; nil when not read
	lost  []stat          // those of the table that have lost their parent and are no run
}

// phase is how far the end of a run has come.
type phase uint8

const (
	running  phase = iota
	asking         // it ended; how is to be told by the guardian or the kernel
	draining       // how is known; the rest of its tree is being killed
	ended          // Exit is set
)

// proc is one run. Runner.mu guards it.
type proc struct {
	Instance
	ident    identity
	cgroup   string            // "" where it has none of its own
	v1       map[string]string // its cgroups of version 1, by controller
	home     uint64            // the inode of that; 0 when it is not known
	pidfd    int               // -1 when there is nothing to watch
	events   int               // descriptor of cgroup.events while draining, else -1
	phase    phase
	exit     *Exit // known, not published
	zombie   bool  // not reaped: its exit could not be written
	escaped  bool  // the main process left its cgroup
	noted    bool  // the claim says that it took place, so its cgroup need not
	deadline time.Time
	next     time.Time     // next round of killing
	pause    time.Duration // between two rounds
}

func newProc(c *claim) *proc {
	return &proc{
		Instance: Instance{
			ID: c.ID, Owner: c.Owner, Hash: c.Hash, Attempt: c.Attempt, Note: c.Note, PID: c.ident.pid, Cgroup: c.number(),
			Started: time.Unix(0, c.Started), Boot: time.Duration(c.Clock), StartedAwake: time.Duration(c.Awake),
			Announced: c.announced.wall, AnnouncedAwake: c.announced.awake, Stopping: c.stopping.wall, StoppingAwake: c.stopping.awake,
			Limits: c.Limits, Unmet: c.unmet,
		},
		ident: c.ident, cgroup: c.Cgroup, v1: c.Groups, home: c.home, noted: c.ident.pid != 0 || c.exit != nil, pidfd: -1, events: -1,
	}
}

// Open reads the claims and exit records of a state directory, finds out what the host gives, and adopts what lives. What it
// found can be listed at once; what ends later is told by Run. It changes some properties of the whole process: see the package
// comment.
func Open(o Options) (*Runner, error) {
	r := &Runner{
		o: o, claims: filepath.Join(o.StateDir, "claims"), exits: filepath.Join(o.StateDir, "exits"),
		epoll: -1, wake: -1, watch: -1,
		procs: map[string]*proc{}, byFD: map[int32]*proc{}, busy: map[string]bool{}, timed: map[*proc]bool{},
	}
	for _, dir := range []string{r.claims, r.exits} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make directory %q: %w", dir, err)
		}
	}
	var err error
	if r.boot, err = bootID(); err != nil {
		return nil, fmt.Errorf("cannot read the boot id: %w", err)
	}
	handing.Lock()
	r.held = takePidfds()
	r.calm = prepareProcess()
	handing.Unlock()
	defer r.dropPidfds()
	if err := r.probe(); err != nil {
		return nil, err
	}
	if err := r.openLoop(); err != nil {
		r.Close()
		return nil, fmt.Errorf("cannot wait for processes: %w", err)
	}
	if err := r.adopt(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// openLoop makes what Run waits on.
func (r *Runner) openLoop() (err error) {
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err = unix.SetNonblock(r.epoll, true); err != nil { // else the runtime does not poll it
		return err
	}
	r.loop = os.NewFile(uintptr(r.epoll), "epoll")
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if r.watch, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return err
	}
	if _, err = unix.InotifyAddWatch(r.watch, r.exits, unix.IN_MOVED_TO); err != nil {
		return err
	}
	return errors.Join(r.poll(unix.EPOLL_CTL_ADD, r.wake, unix.EPOLLIN), r.poll(unix.EPOLL_CTL_ADD, r.watch, unix.EPOLLIN))
}

func (r *Runner) poll(op, fd int, events uint32) error {
	return unix.EpollCtl(r.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// Close gives back descriptors, and the directory of cgroups when it is empty. Processes live on. Run must have returned.
func (r *Runner) Close() error {
	r.tidy(time.Now().Add(tidyAfter))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.procs {
		r.release(p)
	}
	clear(r.procs)
	if r.loop != nil {
		r.loop.Close()
	}
	for _, fd := range []int{r.wake, r.watch} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	r.epoll, r.wake, r.watch, r.loop = -1, -1, -1, nil
	if r.caps.CgroupV2 != "" {
		unix.Rmdir(r.caps.CgroupV2)
	}
	return nil
}

// Capabilities tells what this host gives.
func (r *Runner) Capabilities() Capabilities { return r.caps }

// List gives all runs, sorted by instance.
func (r *Runner) List() []Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Instance, 0, len(r.procs))
	for _, p := range r.procs {
		all = append(all, p.known())
	}
	slices.SortFunc(all, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Get gives the present run of an instance.
func (r *Runner) Get(id string) (Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.procs[id]; p != nil {
		return p.known(), true
	}
	return Instance{}, false
}

// known is what others are told of a run.
func (p *proc) known() Instance {
	i := p.Instance
	i.Inode = p.ident.ino
	return i
}

// Forget removes what is kept of an ended run: claim, exit record, cgroup.
func (r *Runner) Forget(id string) error {
	r.mu.Lock()
	p := r.procs[id]
	var err error
	switch {
	case p == nil:
		err = ErrNotFound
	case p.phase != ended || r.busy[id]:
		err = ErrRunning
	}
	if err != nil {
		r.mu.Unlock()
		return fmt.Errorf("cannot forget %q: %w", id, err)
	}
	delete(r.procs, id)
	r.busy[id] = true
	r.mu.Unlock()
	os.Remove(r.file(id))
	r.discard(p)
	r.mu.Lock()
	delete(r.busy, id)
	r.mu.Unlock()
	return nil
}

// discard removes the traces of a run that nobody lists any more, but for its claim. A zombie is reaped now: its exit was told.
func (r *Runner) discard(p *proc) {
	if p.zombie {
		reap(p.pidfd)
	}
	r.mu.Lock()
	r.release(p)
	r.mu.Unlock()
	if p.ident.pid != 0 {
		os.Remove(r.recordFile(p.ident))
	}
	r.removing.Lock()
	removeGroup(p.group())
	r.removing.Unlock()
}

// release closes a run's descriptors. The lock is held.
func (r *Runner) release(p *proc) {
	for _, fd := range []*int{&p.pidfd, &p.events} {
		if *fd >= 0 {
			delete(r.byFD, int32(*fd))
			unix.Close(*fd)
			*fd = -1
		}
	}
	delete(r.timed, p)
}

func (r *Runner) file(id string) string { return r.claims + "/" + id }

func (r *Runner) recordFile(i identity) string {
	return r.exits + "/" + strconv.Itoa(i.pid) + "-" + strconv.FormatUint(i.start, 10)
}

// note adds a piece to a run's claim. A pid or exit line makes sure that the run is never taken for one that did not take place.
func (r *Runner) note(p *proc, piece []byte) error {
	err := r.add(p.ID, piece)
	if err == nil {
		p.noted = true
	}
	return err
}

// writeAll writes a piece whole; a part of it does not count.
func writeAll(fd int, piece []byte) error {
	n, err := unix.Write(fd, piece)
	if err == nil && n < len(piece) {
		err = unix.ENOSPC
	}
	return err
}
