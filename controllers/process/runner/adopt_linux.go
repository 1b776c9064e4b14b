package runner

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// adopt finds out what became of every claim.
func (r *Runner) adopt() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	claims, err := r.readClaims()
	if err != nil {
		return err
	}
	for _, c := range claims { // later attempts first
		p := r.resolve(c)
		if p == nil {
			os.Remove(r.file(c.ID, c.Attempt))
			removeUsed(c.Cgroup)
			continue
		}
		if r.procs[c.ID] != nil { // the run before the one that took place
			r.killCgroup(p)
			r.release(p)
			os.Remove(r.file(c.ID, c.Attempt))
			removeUsed(c.Cgroup)
			continue
		}
		r.procs[c.ID] = p
	}
	r.told, r.table = nil, nil // they are listed
	r.sweep()
	return nil
}

func removeUsed(cgroup string) {
	if cgroup != "" {
		removeCgroup(cgroup)
	}
}

// readClaims reads all claims, and withdraws the offers: who has not taken one by now never will. Instances' later attempts
// come first.
func (r *Runner) readClaims() ([]*claim, error) {
	entries, err := os.ReadDir(r.claims)
	if err != nil {
		return nil, fmt.Errorf("cannot read the claims: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			os.Remove(r.claims + "/" + e.Name())
		}
	}
	if entries, err = os.ReadDir(r.claims); err != nil {
		return nil, fmt.Errorf("cannot read the claims: %w", err)
	}
	var claims []*claim
	for _, e := range entries {
		file := r.claims + "/" + e.Name()
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read claim %q: %w", file, err)
		}
		c, ok := parseClaim(data)
		if !ok || c.name() != e.Name() { // its header is not whole: the run never began
			os.Remove(file)
			continue
		}
		if n := len(data); data[n-1] != '\n' { // torn: what is added must not continue it
			r.note(newProc(c), []byte("\n"))
		}
		claims = append(claims, c)
	}
	slices.SortFunc(claims, func(a, b *claim) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), b.Attempt-a.Attempt)
	})
	return claims, nil
}

// resolve makes a run of a claim; nil when it never took place.
func (r *Runner) resolve(c *claim) *proc {
	p := newProc(c)
	p.Adopted = true
	switch {
	case c.Boot != r.boot:
		p.cgroup, p.phase, p.Exit = "", ended, c.exit
		if c.exit == nil {
			p.Exit = &Exit{Rebooted: true, At: time.Now().Add(-bootClock())}
		}
	case c.exit != nil:
		r.settle(p, c.exit)
	case c.ident.pid != 0:
		r.hold(p)
	case c.Cgroup == "":
		r.settle(p, &Exit{At: time.Now()}) // the child writes its process id before it claims
	default:
		return r.search(p)
	}
	return p
}

// hold takes hold of a run whose process is known, alive or not.
func (r *Runner) hold(p *proc) {
	fd, err := openProcess(p.ident)
	if err == nil {
		p.pidfd = fd
		r.attend(p)
		return
	}
	p.phase, p.deadline = asking, time.Now().Add(patience)
	r.timed[p] = true
	r.ask(p)
	if p.phase == asking && !r.caps.Guardian {
		r.settle(p, &Exit{At: time.Now()}) // nobody is there to tell
	}
}

// search finds the main process of a run that was cloned into its cgroup by an operator that died before it wrote its process
// id. The order matters: first whether anybody lives there, then the zombies, then the records; a process moves only in that
// direction.
func (r *Runner) search(p *proc) *proc {
	for try := 0; try < 1000; try++ {
		lives := populated(p.cgroup)
		found, rec := r.oldest(p.cgroup)
		switch {
		case rec != nil:
			p.ident, p.PID = rec.ident, rec.ident.pid
			r.note(p, pidLine(p.ident))
			r.hold(p)
			return p
		case found != nil:
			if r.found(p, *found) {
				return p
			}
		case !lives && everUsed(p.cgroup):
			r.settle(p, &Exit{At: time.Now()})
			return p
		case !lives:
			return nil
		}
		time.Sleep(time.Millisecond) // it is just now changing from one to the other
	}
	r.settle(p, &Exit{At: time.Now()})
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
	r.note(p, pidLine(i))
	r.attend(p)
	return true
}

// oldest gives the first process of a cgroup, which is its run's main one: all others are its children. It may live, be a
// zombie, or have left only a record. A record is given when it is of the oldest.
func (r *Runner) oldest(cgroup string) (*stat, *record) {
	var first *stat
	see := func(s stat) {
		if first == nil || s.start < first.start || s.start == first.start && s.pid < first.pid {
			first = &s
		}
	}
	for _, pid := range members(cgroup) {
		if s, err := readStat(pid); err == nil {
			see(s)
		}
	}
	allProcesses(func(s stat) {
		if s.dead() && inCgroup(cgroupOf(s.pid), cgroup) {
			see(s)
		}
	})
	var of *record
	for _, rec := range r.readRecords() {
		if !inCgroup(rec.cgroup, cgroup) {
			continue
		}
		before := first
		see(stat{pid: rec.ident.pid, start: rec.ident.start})
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
	if r.caps.CgroupV2 == "" {
		return
	}
	known := map[string]bool{}
	for _, p := range r.procs {
		if p.phase != ended {
			known[p.cgroup] = true
		}
	}
	entries, err = os.ReadDir(r.caps.CgroupV2)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.o.Log.Error(err, "cannot read the cgroups")
	}
	for _, e := range entries {
		dir := r.caps.CgroupV2 + "/" + e.Name()
		if !e.IsDir() || known[dir] {
			continue
		}
		removeCgroup(dir)
		if populated(dir) {
			r.o.Log.Info("a cgroup has processes and no claim, they are left alone", "cgroup", dir, "processes", len(members(dir)))
		}
	}
}
