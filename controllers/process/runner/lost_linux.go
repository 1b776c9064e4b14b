package runner

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A run can lose its claim: somebody removes the file, or puts back an older state directory. Without the claim a second copy would be
// started beside the first, or the first be killed as what an earlier run left. So each run can be known again without it: by the name of
// its cgroup, or by a variable in its environment. What only the claim knew, its note, stays unknown then.

// claimVariable is what a run without a cgroup of its own is known again by: PID ATTEMPT STARTED FILE, of the main process and its claim. What
// the main process starts has it too, with a pid that is not its own.
const claimVariable = "MIRROROS_CLAIM"

// mark is the variable as mirrorguard takes it, which knows the pid.
func (c *claim) mark(file string) string {
	return claimVariable + "=" + strconv.Itoa(c.Attempt) + " " + strconv.FormatInt(c.Started, 10) + " " + file
}

// lostRuns lists by instance the runs that live and that the claims do not have.
func (r *Runner) lostRuns(claims map[string][]*claim) map[string]*claim {
	known := map[int]uint64{} // start times by pid
	for _, all := range claims {
		for _, c := range all {
			if c.Boot == r.boot && c.ident.pid != 0 {
				known[c.ident.pid] = c.ident.start
			}
		}
	}
	lost := r.lostInCgroups(claims)
	maps.Copy(lost, r.lostByMark(known))
	for id := range lost {
		for _, c := range claims[id] {
			if c.Boot == r.boot && c.exit == nil && !c.void && c.ident.pid != 0 && c.ident.lives() {
				delete(lost, id) // of two it is the one that is claimed
			}
		}
	}
	return lost
}

// lives tells whether this very process is there and has not ended.
func (i identity) lives() bool {
	s, err := readStat(i.pid)
	return err == nil && s.start == i.start && !s.dead()
}

// lostInCgroups looks through the cgroups of runs; each name says which run it is of.
func (r *Runner) lostInCgroups(claims map[string][]*claim) map[string]*claim {
	lost := map[string]*claim{}
	if r.caps.CgroupV2 == "" {
		return lost
	}
	entries, _ := os.ReadDir(r.caps.CgroupV2) // sweep tells of an error
	for _, e := range entries {
		c := claimOfName(e.Name())
		if c == nil || !e.IsDir() || !populated(r.caps.CgroupV2+"/"+e.Name()) {
			continue
		}
		c.Boot, c.Cgroup = r.boot, r.caps.CgroupV2+"/"+e.Name()
		newest := lost[c.ID] == nil || lost[c.ID].Attempt < c.Attempt
		for _, other := range claims[c.ID] { // of a later one this is what is left of an earlier run
			newest = newest && (other.Attempt < c.Attempt || other.void || other.Boot != r.boot)
		}
		if newest && r.begun(c) {
			lost[c.ID] = c
		}
	}
	return lost
}

// begun sets when a run in a cgroup began: as its oldest process did. It tells whether there is one.
func (r *Runner) begun(c *claim) bool {
	first, _ := r.oldest(newProc(c)) // whatever its age
	if first != nil {
		c.startedAt(*first)
	}
	return first != nil
}

func (c *claim) startedAt(s stat) {
	const ticks = 100 // USER_HZ, the same on all architectures
	begun := time.Duration(s.start) * time.Second / ticks
	c.Clock = int64(begun)
	c.Started = time.Now().Add(begun - bootClock()).UnixNano()
}

// lostByMark looks through the main processes of the host, but for those that are known, for ones that say they are runs of ours.
func (r *Runner) lostByMark(known map[int]uint64) map[string]*claim {
	lost := map[string]*claim{}
	allProcesses(func(s stat) {
		if s.session != s.pid || s.dead() || known[s.pid] == s.start {
			return
		}
		m, ok := markOf(s.pid)
		if !ok || m.pid != s.pid || !r.ours(m.file) {
			return
		}
		c := claimOfName(filepath.Base(m.file) + "." + strconv.Itoa(m.attempt))
		if c == nil || lost[c.ID] != nil && lost[c.ID].Attempt > c.Attempt {
			return
		}
		fd, err := unix.PidfdOpen(s.pid, 0)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		i, err := identify(s.pid, fd)
		if err != nil || i.start != s.start {
			return
		}
		c.startedAt(s)
		c.Boot, c.Started, c.ident = r.boot, m.started, i
		lost[c.ID] = c
	})
	return lost
}

// mark is what the variable says.
type mark struct {
	pid, attempt int
	started      int64
	file         string
}

// markOf reads the variable of a process; the last one counts.
func markOf(pid int) (m mark, ok bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	at := strings.LastIndex("\x00"+string(env), "\x00"+claimVariable+"=")
	if err != nil || at < 0 {
		return m, false
	}
	text, _, _ := strings.Cut(string(env[at+len(claimVariable)+1:]), "\x00")
	f := strings.SplitN(text, " ", 4)
	if len(f) != 4 {
		return m, false
	}
	var errs [3]error
	m.pid, errs[0] = strconv.Atoi(f[0])
	m.attempt, errs[1] = strconv.Atoi(f[1])
	m.started, errs[2] = strconv.ParseInt(f[2], 10, 64)
	m.file = f[3]
	return m, errs == [3]error{}
}

// ours tells whether a claim file is one of this state directory, by whatever path.
func (r *Runner) ours(file string) bool {
	theirs := filepath.Dir(filepath.Dir(file))
	if theirs == filepath.Dir(r.claims) {
		return true
	}
	a, err := os.Stat(theirs)
	b, err2 := os.Stat(r.o.StateDir)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// takeLost makes the claim of a lost run again and takes hold of it.
func (r *Runner) takeLost(c *claim) {
	fd, err := r.renew(newProc(c))
	if err != nil {
		r.o.Log.Error(err, "cannot write a lost claim again", "instance", c.ID)
	} else {
		unix.Close(fd)
	}
	p := newProc(c)
	p.Adopted = true
	if c.Cgroup != "" {
		p = r.search(p)
	} else {
		r.hold(p)
	}
	if p == nil {
		return
	}
	r.procs[c.ID] = p
	r.o.Log.Info("A run has lost its claim; it is known again by its cgroup or its environment", "instance", c.ID, "attempt", c.Attempt, "pid", p.PID)
}

// claimOfName reads the name of a run, OWNER-HASH-ORDINAL.ATTEMPT; nil when it is none.
func claimOfName(name string) *claim {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return nil
	}
	c := &claim{ID: name[:dot]}
	var err error
	if c.Attempt, err = strconv.Atoi(name[dot+1:]); err != nil || c.Attempt < 1 {
		return nil
	}
	part := strings.Split(c.ID, "-")
	if n := len(part); n >= 3 {
		c.Owner, c.Hash = strings.Join(part[:n-2], "-"), part[n-2]
	}
	return c
}
