package runner

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// Announce records durably that a stop of the run begins now, and its signal comes later: the grace period counts from now, also in a later
// operator.
func (r *Runner) Announce(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.alive("stop", id)
	if err != nil {
		return err
	}
	now := present()
	p.Announced, p.AnnouncedAwake = now.wall, now.awake
	if err := r.add(id, announceLine(now)); err != nil {
		return fmt.Errorf("cannot note that %q is to be stopped: %w", id, err)
	}
	return nil
}

// Stop records durably that the run is to end, and then sends sig to its process group. A second call sends nothing, also in a
// later operator. The record comes first: an operator killed in between has recorded and not sent, and the grace period ends it.
// When it cannot be written (a full disk) the signal is sent all the same: to be stopped without one would be worse than twice.
func (r *Runner) Stop(id string, sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.alive("stop", id)
	if err != nil || !p.Stopping.IsZero() {
		return err
	}
	now := present()
	if err := r.add(id, stopLine(now)); err != nil {
		r.o.Log.Error(err, "cannot write to a claim that its run is being stopped", "instance", id)
	}
	p.Stopping, p.StoppingAwake = now.wall, now.awake
	if err := r.killGroup(p, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot stop %q: %w", id, err)
	}
	return nil
}

// Signal sends a signal to the main process alone.
func (r *Runner) Signal(id string, sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.alive("signal", id)
	if err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(p.pidfd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot signal %q: %w", id, err)
	}
	return nil
}

// Kill kills the whole tree of a run. It returns before the end is seen; Run tells that. Of a run that has ended it kills the
// strays that it left, and counts them again.
func (r *Runner) Kill(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.procs[id]
	if p == nil {
		return fmt.Errorf("cannot kill %q: %w", id, ErrNotFound)
	}
	if p.phase == ended {
		if r.table = nil; p.Stray > 0 {
			p.Stray = r.killRest(p)
		}
		return nil
	}
	var family []stat
	if !p.group().Kill() {
		family = descendants(p.ident)
	}
	err := r.killGroup(p, unix.SIGKILL)
	if p.pidfd >= 0 {
		unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0)
	}
	for _, s := range family {
		killExactly(s)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot kill %q: %w", id, err)
	}
	return nil
}

// alive gives a run that can be signalled.
func (r *Runner) alive(verb, id string) (*proc, error) {
	p := r.procs[id]
	switch {
	case p == nil:
		return nil, fmt.Errorf("cannot %s %q: %w", verb, id, ErrNotFound)
	case p.phase != running || p.pidfd < 0:
		return nil, fmt.Errorf("cannot %s %q: %w", verb, id, ErrEnded)
	}
	return p, nil
}

// killGroup signals the main process' group. By the pidfd where the kernel can; else by the number, after a look through the
// pidfd that it is still the process' own. (A child of ours keeps its number until we reap it, under the same lock.)
func (r *Runner) killGroup(p *proc, sig syscall.Signal) error {
	if p.pidfd < 0 {
		return unix.ESRCH
	}
	err := unix.PidfdSendSignal(p.pidfd, sig, nil, signalGroup)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.PidfdSendSignal(p.pidfd, 0, nil, 0); err != nil {
		return err
	}
	return unix.Kill(-p.PID, sig)
}

// killRest does one round of killing after the main process ended, and tells how many are left. It arranges for the next round.
func (r *Runner) killRest(p *proc) int {
	if p.cgroup == "" {
		return r.killFrozen(p) + r.killSession(p)
	}
	left := r.killMembers(p)
	if left == 0 { // what left the one group is in the others still
		left = r.killFrozen(p)
	}
	if p.escaped {
		left += r.killSession(p)
	}
	return left
}

// killFrozen kills what lives in the run's groups of cgroup v1.
func (r *Runner) killFrozen(p *proc) int {
	g := group.Group{V1: p.v1}
	left := g.Left()
	if left > 0 {
		g.Kill()
		r.later(p)
	}
	return left
}

// killSession kills what /proc shows in the main process' session or group, and what it left elsewhere with its mark.
func (r *Runner) killSession(p *proc) int {
	r.readTable()
	taken := false // the number is another's: no group or session of ours is left
	for _, s := range r.table {
		taken = taken || s.pid == p.PID && s.start != p.ident.start
	}
	left := 0
	kill := func(s stat) {
		left++
		killExactly(s)
	}
	for _, s := range r.table {
		if !taken && (s.session == p.PID || s.group == p.PID) && s.pid != p.PID && !s.dead() {
			kill(s)
		}
	}
	for _, s := range r.lost {
		if s.session == p.PID || s.group == p.PID || s.start < p.ident.start {
			continue
		}
		switch hit, sure := r.marked(s.pid, p.ID); {
		case hit && !r.ofUs(s.pid): // an instance of that name of another operator, which is away
		case hit:
			kill(s)
		case !sure && s.age() < beforeExec:
			left++ // the next round tells
		}
	}
	if left > 0 {
		r.later(p)
	}
	return left
}

// readTable reads all processes, once for this turn of the loop.
func (r *Runner) readTable() {
	if r.table != nil {
		return
	}
	r.table, r.lost = []stat{}, nil
	runs := make(map[int]bool, len(r.procs))
	for _, p := range r.procs {
		runs[p.PID] = true
	}
	self, guardian := os.Getpid(), os.Getppid()
	allProcesses(func(s stat) {
		r.table = append(r.table, s)
		if r.o.Mark != "" && (s.ppid == 1 || s.ppid == self || s.ppid == guardian) && !runs[s.pid] && !s.dead() {
			r.lost = append(r.lost, s)
		}
	})
}

// beforeExec is how long a process may take from its beginning until it has the environment of its program.
const beforeExec = 200 * time.Millisecond

// age of a process, to within a tick of the kernel's clock for such things, which has 100 a second on every architecture that this runs on.
func (s stat) age() time.Duration { return bootClock() - time.Duration(s.start)*(time.Second/100) }

// marked tells whether a process was started with the mark of an instance in its environment. Of one whose environment is empty nobody can be
// sure: it may be about to execute its program, and gets it in a moment.
func (r *Runner) marked(pid int, id string) (hit, sure bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err == nil && len(env) == 0 {
		return false, false
	}
	return err == nil && strings.Contains("\x00"+string(env), "\x00"+r.o.Mark+"="+id+"\x00"), true
}

// ofUs tells whether a process with the mark of an instance is one of this state directory, as far as it says.
func (r *Runner) ofUs(pid int) bool {
	m, ok := markOf(pid)
	return !ok || r.ours(m.file)
}

// killMembers kills what lives in the run's cgroup. The kernel tells through cgroup.events when it is empty.
func (r *Runner) killMembers(p *proc) int {
	if p.events < 0 {
		fd, err := unix.Open(p.cgroup+"/cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0 // there is no such cgroup any more
		}
		p.events = fd
	}
	if !populatedNow(p.events) {
		return 0
	}
	if p.phase != draining { // Kill, of one that ended long ago
		group.KillV2(p.cgroup)
		left := len(group.Members(p.cgroup))
		unix.Close(p.events)
		p.events = -1
		return left
	}
	if r.byFD[int32(p.events)] == nil {
		r.byFD[int32(p.events)] = p
		r.poll(unix.EPOLL_CTL_ADD, p.events, unix.EPOLLPRI)
	}
	if !group.KillV2(p.cgroup) {
		r.later(p)
	}
	return max(1, len(group.Members(p.cgroup)))
}

// later arranges for the next round, with growing pauses.
func (r *Runner) later(p *proc) {
	p.next = time.Now().Add(p.pause)
	p.pause = min(2*p.pause, 100*time.Millisecond)
}

// populatedNow reads cgroup.events from its beginning.
func populatedNow(fd int) bool {
	var buf [256]byte
	n, err := unix.Pread(fd, buf[:], 0)
	return err == nil && strings.Contains(string(buf[:n]), "populated 1")
}

// descendants lists what a living process has started, and what that has, as far as the parents still live.
func descendants(main identity) []stat {
	var found []stat
	known := map[int]bool{main.pid: true}
	for next := []int{main.pid}; len(next) > 0; next = next[1:] {
		for _, pid := range children(next[0]) {
			if s, err := readStat(pid); err == nil && !known[pid] && s.start >= main.start {
				known[pid] = true
				found, next = append(found, s), append(next, pid)
			}
		}
	}
	return found
}

// killExactly kills a process that was seen in /proc, and never another that has its number by now.
func killExactly(s stat) {
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if now, err := readStat(s.pid); err == nil && now.start == s.start && now.session == s.session {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
