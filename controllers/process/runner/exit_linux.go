package runner

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds how long the end of a run may wait for the guardian's word, and for its tree to die.
const patience = 2 * time.Second

// exited deals with a main process that ended just now: read, write, reap; the last two by the guardian when it is not our
// child. The lock is held, here and below.
func (r *Runner) exited(p *proc) {
	e, err := exitByWait(p.pidfd)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if err != nil {
		p.phase, p.deadline = asking, time.Now().Add(patience)
		r.timed[p] = true
		r.poll(unix.EPOLL_CTL_MOD, p.pidfd, 0) // from now on it tells when the process is reaped
		r.ask(p)
		return
	}
	r.killGroup(p, unix.SIGKILL) // while the zombie keeps the number
	p.escaped = p.cgroup != "" && !r.atHome(p)
	if r.noteExit(p, e) == nil {
		reap(p.pidfd)
	} else {
		p.zombie = true // the guardian will get it, should we die
	}
	r.settle(p, e)
}

// atHome tells whether a main process that ended was in its own cgroup then. The kernel knows without a look at /proc.
func (r *Runner) atHome(p *proc) bool {
	info, ok := infoOf(p.pidfd)
	if ok && info.mask&infoCgroup != 0 && p.home != 0 && info.cgroup == p.home {
		return true
	}
	return inCgroup(cgroupOf(p.PID), p.cgroup)
}

// ask looks for the exit of a run that is not our child: the guardian's record, else the kernel's word.
func (r *Runner) ask(p *proc) {
	e := r.takeRecord(p)
	if e == nil && p.pidfd >= 0 {
		told, ok := exitByInfo(p.pidfd)
		if !ok {
			return
		}
		if e = r.takeRecord(p); e == nil { // it may have come in between, and knows the time better
			e = told
			r.noteExit(p, e)
		}
	}
	if e != nil {
		r.settle(p, e)
	}
}

// takeRecord moves the guardian's record of a run into its claim. What cannot be moved stays.
func (r *Runner) takeRecord(p *proc) *Exit {
	file := r.recordFile(p.ident)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	rec, ok := parseRecord(file[len(r.exits)+1:], data)
	if !ok || !rec.ident.same(p.ident) {
		return nil
	}
	if r.noteExit(p, rec.exit) == nil {
		os.Remove(file)
	}
	return rec.exit
}

// unknown settles a run whose exit nobody can tell.
func (r *Runner) unknown(p *proc) {
	now := present()
	e := &Exit{At: now.wall, Awake: now.awake}
	r.noteExit(p, e)
	r.settle(p, e)
}

// noteExit writes how a run ended into its claim, with what its group has counted.
func (r *Runner) noteExit(p *proc, e *Exit) error {
	u := p.group().Usage()
	e.PeakMemory, e.OOMKills = u.Peak, u.OOMKills
	return r.note(p, exitLine(e))
}

// settle begins the end of a run whose exit is known, or never will be: the rest of its tree dies first.
func (r *Runner) settle(p *proc, e *Exit) {
	p.exit, p.phase = e, draining
	p.deadline, p.pause = time.Now().Add(patience), time.Millisecond
	r.timed[p] = true
	if p.pidfd >= 0 && r.byFD[int32(p.pidfd)] == p {
		r.poll(unix.EPOLL_CTL_DEL, p.pidfd, 0)
		delete(r.byFD, int32(p.pidfd))
	}
	r.drain(p, time.Now())
}

// drain kills what is left of an ended run's tree, one round at a time, and publishes the exit when nobody is left or the time
// is over.
func (r *Runner) drain(p *proc, now time.Time) {
	left := r.killRest(p)
	if left > 0 && now.Before(p.deadline) {
		return
	}
	p.Exit, p.Stray, p.phase = p.exit, left, ended
	if p.zombie { // its pidfd is needed to reap it
		pidfd := p.pidfd
		p.pidfd = -1
		r.release(p)
		p.pidfd = pidfd
	} else {
		r.release(p)
	}
	r.told = append(r.told, p)
}
