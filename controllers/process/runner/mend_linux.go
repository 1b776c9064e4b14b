package runner

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// renew begins a claim file anew with what still counts of it, the last run: because it grew long, or because somebody removed it.
func (r *Runner) renew(p *proc) (int, error) {
	c := &claim{
		Boot: r.boot, ID: p.ID, Attempt: p.Attempt, Owner: p.Owner, Hash: p.Hash, Note: p.Note,
		Cgroup: p.cgroup, Started: p.Started.UnixNano(), Clock: int64(p.Boot), Awake: int64(p.StartedAwake),
	}
	text := c.header()
	if p.ident.pid != 0 {
		text = append(text, pidLine(p.ident, c.Started)...)
	}
	if !p.Announced.IsZero() {
		text = append(text, announceLine(moment{p.Announced, p.AnnouncedAwake})...)
	}
	if !p.Stopping.IsZero() {
		text = append(text, stopLine(moment{p.Stopping, p.StoppingAwake})...)
	}
	if p.Exit != nil {
		text = append(text, exitLine(p.Exit)...)
	}
	if err := os.MkdirAll(r.claims, 0o700); err != nil {
		return -1, err
	}
	tmp := r.claims + "/." + p.ID
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return -1, err
	}
	if err := unix.Rename(tmp, r.file(p.ID)); err != nil {
		return -1, err
	}
	return unix.Open(r.file(p.ID), unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC, 0)
}

// takeLost takes up runs that live in a cgroup of ours and whose claims are lost or damaged: the directory's name says which run it is.
// What only the claim knew, its note, stays unknown. Without it a second copy would be started beside the first.
func (r *Runner) takeLost() {
	if r.caps.CgroupV2 == "" {
		return
	}
	entries, _ := os.ReadDir(r.caps.CgroupV2) // sweep tells of an error
	for _, e := range entries {
		dir := r.caps.CgroupV2 + "/" + e.Name()
		c := claimOfName(e.Name())
		if c == nil || !e.IsDir() || !populated(dir) {
			continue
		}
		if p := r.procs[c.ID]; p != nil && p.Attempt >= c.Attempt {
			continue // what is left of an earlier run
		}
		if p := r.resurrect(c, dir); p != nil {
			r.procs[c.ID] = p
			r.o.Log.Info("A run has lost its claim; it is known again by its cgroup", "instance", c.ID, "attempt", c.Attempt, "pid", p.PID)
		}
	}
}

// resurrect makes the claim of a run again and looks for its process. The age is that of its oldest process.
func (r *Runner) resurrect(c *claim, dir string) *proc {
	c.Boot, c.Cgroup = r.boot, dir
	first, _ := r.oldest(newProc(c)) // whatever its age
	if first == nil {
		return nil
	}
	const ticks = 100 // USER_HZ, the same on all architectures
	begun := time.Duration(first.start) * time.Second / ticks
	c.Clock = int64(begun)
	c.Started = time.Now().Add(begun - bootClock()).UnixNano()
	fd, err := r.renew(newProc(c))
	if err != nil {
		r.o.Log.Error(err, "cannot write a lost claim again", "instance", c.ID)
	} else {
		unix.Close(fd)
	}
	p := newProc(c)
	p.Adopted = true
	return r.search(p)
}

// claimOfName reads the name of a run's cgroup, OWNER-HASH-ORDINAL.ATTEMPT; nil when it is none.
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

// add adds a piece to an instance's claim file; to one made anew when somebody removed it. The lock is held.
func (r *Runner) add(id string, piece []byte) error {
	fd, err := unix.Open(r.file(id), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if p := r.procs[id]; err == unix.ENOENT && p != nil {
		if fd, err = r.renew(p); err != nil {
			return fmt.Errorf("the claim file was removed: %w", err)
		}
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAll(fd, piece)
}
