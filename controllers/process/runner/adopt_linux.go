package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// adopt finds out what became of every claim. The lock is held here and below.
func (r *Runner) adopt() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	claims, err := r.readClaims()
	if err != nil {
		return err
	}
	for id, c := range r.lostRuns(claims) {
		delete(claims, id) // or what runs would be killed as something that an ended run left
		r.takeLost(c)
	}
	for id, all := range claims {
		p, err := r.lastRun(all)
		if err != nil {
			return err
		}
		if p == nil { // no run ever took place
			os.Remove(r.file(id))
			continue
		}
		r.procs[p.ID] = p
	}
	r.told, r.table = nil, nil // they are listed
	r.sweep()
	return nil
}

// readClaims reads the claim files of all instances.
func (r *Runner) readClaims() (map[string][]*claim, error) {
	entries, err := os.ReadDir(r.claims)
	if err != nil {
		return nil, fmt.Errorf("cannot read the claims: %w", err)
	}
	claims := make(map[string][]*claim, len(entries))
	for _, e := range entries {
		file := r.claims + "/" + e.Name()
		if strings.HasPrefix(e.Name(), ".") { // it did not become a claim
			os.Remove(file)
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read claim %q: %w", file, err)
		}
		claims[e.Name()] = parseClaims(data)
	}
	return claims, nil
}

// lastRun gives the last run that took place. Those before it have ended: the next one is not begun sooner.
func (r *Runner) lastRun(claims []*claim) (*proc, error) {
	for _, c := range slices.Backward(claims) {
		if c.void {
			continue
		}
		p, err := r.resolve(c)
		if err != nil || p != nil {
			return p, err
		}
		r.add(c.ID, voidLine())
		removeGroup(c.group())
	}
	return nil, nil
}

// withdraw makes a claim void that no child took so far, and tells whether none ever will: what is in the file first counts.
func (r *Runner) withdraw(c *claim) (bool, error) {
	if err := r.add(c.ID, voidLine()); err != nil {
		return false, fmt.Errorf("cannot withdraw the claim of %q: %w", c.ID, err)
	}
	now := r.last(c.ID)
	if now == nil || now.Started != c.Started {
		return false, fmt.Errorf("cannot withdraw the claim of %q: its file has changed", c.ID)
	}
	c.ident = now.ident
	return now.void, nil
}

// resolve makes a run of a claim; nil when it never took place.
func (r *Runner) resolve(c *claim) (*proc, error) {
	if c.Boot == r.boot && c.exit == nil && c.ident.pid == 0 && c.Cgroup == "" {
		if void, err := r.withdraw(c); void || err != nil {
			return nil, err
		}
	}
	p := newProc(c)
	p.Adopted = true
	switch {
	case c.Boot != r.boot:
		p.cgroup, p.phase, p.Exit = "", ended, c.exit
		p.StartedAwake, p.AnnouncedAwake, p.StoppingAwake = 0, 0, 0
		if c.exit != nil {
			c.exit.Awake = 0
		} else {
			p.Exit = &Exit{Rebooted: true, At: time.Now().Add(-bootClock())}
		}
	case c.exit != nil:
		r.settle(p, c.exit)
	case c.ident.pid != 0:
		r.hold(p)
	default:
		return r.search(p), nil
	}
	return p, nil
}

// hold takes hold of a run whose process is known, alive or not: by the pidfd that the guardian handed on, which is good for one
// that was reaped too, else by a new one.
func (r *Runner) hold(p *proc) {
	fd, handed := r.held[p.ident.ino]
	if handed {
		delete(r.held, p.ident.ino)
	} else if fd = openProcess(p.ident); fd < 0 {
		r.gone(p)
		return
	}
	p.pidfd, p.phase = fd, asking
	if r.ask(p); p.phase == asking {
		p.phase = running
		r.limitAgain(p)
		sweepSides(p.cgroup)
		r.attend(p)
	}
}

// gone deals with a run whose process was reaped, and of which there is no pidfd: only a record can tell its end.
func (r *Runner) gone(p *proc) {
	p.phase, p.deadline = asking, time.Now().Add(patience)
	r.timed[p] = true
	r.ask(p)
	if p.phase == asking && !r.caps.Guardian {
		r.unknown(p) // nobody is there to write one
	}
}

// search finds the main process of a run that was cloned into its cgroup by an operator that died before it wrote its process
// id. The order matters: first whether anybody lives there, then the zombies, then the records; a process moves only in that
// direction.
func (r *Runner) search(p *proc) *proc {
	for try := 0; try < 1000; try++ {
		lives := populated(p.cgroup)
		found, rec := r.oldest(p)
		switch {
		case r.handed(p, found, rec):
			return p
		case rec != nil:
			p.ident, p.PID = rec.ident, rec.ident.pid
			r.note(p, pidLine(p.ident, p.Started.UnixNano()))
			r.hold(p)
			return p
		case found != nil:
			if r.found(p, *found) {
				return p
			}
		case !lives && everUsed(p.cgroup):
			r.unknown(p)
			return p
		case !lives:
			return nil
		}
		time.Sleep(time.Millisecond) // it is just now changing from one to the other
	}
	r.unknown(p)
	return p
}

// found takes hold of the process, when it is still there.
func (r *Runner) found(p *proc, s stat) bool {
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return false
	}
	i, err := identify(s.pid, fd)
	if err != nil || i.start != s.start || !inCgroup(cgroupOf(s.pid), p.cgroup) {
		unix.Close(fd)
		return false
	}
	p.ident, p.PID, p.pidfd = i, i.pid, fd
	r.limitAgain(p)
	r.note(p, pidLine(i, p.Started.UnixNano()))
	r.attend(p)
	return true
}

// oldest gives the first process of a run's cgroup, which is its main one: all others are its children. It may live, be a zombie,
// or have left only a record. A record is given when it is of the oldest. The main process leads a session. What is older than
// the claim is left from another run in a cgroup of this name: a zombie that nobody reaps.
func (r *Runner) oldest(p *proc) (*stat, *record) {
	const tick = 10 * time.Millisecond // of the start time, whatever the kernel's own are
	var first *stat
	see := func(s stat) {
		if s.session != s.pid || time.Duration(s.start+1)*tick < p.Boot {
			return
		}
		if first == nil || s.start < first.start || s.start == first.start && s.pid < first.pid {
			first = &s
		}
	}
	for _, pid := range group.Members(p.cgroup) {
		if s, err := readStat(pid); err == nil {
			see(s)
		}
	}
	allProcesses(func(s stat) {
		if s.dead() && inCgroup(cgroupOf(s.pid), p.cgroup) {
			see(s)
		}
	})
	var of *record
	for _, rec := range r.readRecords() {
		if !inCgroup(rec.cgroup, p.cgroup) {
			continue
		}
		before := first
		see(stat{pid: rec.ident.pid, session: rec.ident.pid, start: rec.ident.start})
		if first != before {
			of = &rec
		}
	}
	return first, of
}

func (r *Runner) readRecords() []record {
	entries, _ := os.ReadDir(r.exits)
	var all []record
	for _, e := range entries {
		data, err := os.ReadFile(r.exits + "/" + e.Name())
		if err != nil {
			continue
		}
		if rec, ok := parseRecord(e.Name(), data); ok {
			all = append(all, rec)
		}
	}
	return all
}

// sweep removes what belongs to no run: exit records, and cgroups where nobody lives.
func (r *Runner) sweep() {
	entries, err := os.ReadDir(r.exits)
	if err == nil {
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") { // the guardian is writing it
				r.recordArrived(e.Name())
			}
		}
	}
	known := map[string]bool{}
	for _, p := range r.procs {
		if p.phase != ended || !p.noted {
			known[runName(p.ID, p.Attempt)] = true
		}
	}
	r.host.Sweep(known)
	if r.caps.CgroupV2 == "" {
		return
	}
	entries, err = os.ReadDir(r.caps.CgroupV2)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.o.Log.Error(err, "cannot read the cgroups")
	}
	for _, e := range entries {
		dir := r.caps.CgroupV2 + "/" + e.Name()
		if !e.IsDir() || known[e.Name()] {
			continue
		}
		group.Remove(dir)
		if populated(dir) {
			r.o.Log.Info("a cgroup has processes and no claim, they are left alone", "cgroup", dir, "processes", len(group.Members(dir)))
		}
	}
}
