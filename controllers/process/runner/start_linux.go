package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Start starts one run, and returns when its program was executed or could not be. It is at most once for each ID and Attempt;
// an earlier attempt must have ended, and is forgotten. A program that could not be executed has not run: the same attempt may
// be tried again. Notify may be called for the run before Start returns.
func (r *Runner) Start(s Spec) (Instance, error) {
	if err := check(s); err != nil {
		return Instance{}, err
	}
	old, err := r.reserve(s)
	if err != nil {
		return Instance{}, err
	}
	p, err := r.begin(s, old)
	r.mu.Lock()
	delete(r.busy, s.ID)
	if err != nil {
		r.mu.Unlock()
		return Instance{}, err
	}
	r.procs[s.ID] = p
	r.attend(p)
	inst := p.Instance
	r.mu.Unlock()
	if old != nil {
		r.discard(old)
	}
	return inst, nil
}

// check refuses what cannot be made into a claim.
func check(s Spec) error {
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.')
	}
	switch {
	case s.ID == "" || len(s.ID) > 200 || s.ID[0] == '.' || strings.ContainsFunc(s.ID, odd):
		return fmt.Errorf("cannot start %q: not a name of an instance", s.ID)
	case s.Attempt < 1:
		return fmt.Errorf("cannot start %q: attempts count from 1", s.ID)
	case len(s.Note) > 4096:
		return fmt.Errorf("cannot start %q: its note has %d bytes, 4096 are allowed", s.ID, len(s.Note))
	case s.Path == "" || s.Path[0] != '/' || len(s.Argv) == 0:
		return fmt.Errorf("cannot start %q: %q is not an absolute path with arguments", s.ID, s.Path)
	}
	return nil
}

// reserve sees that nobody else starts or runs this instance, and gives the run that it had before.
func (r *Runner) reserve(s Spec) (*proc, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.procs[s.ID]
	switch {
	case r.busy[s.ID], old != nil && old.phase != ended:
		return nil, fmt.Errorf("cannot start %q: %w", s.ID, ErrRunning)
	case old != nil && old.Attempt >= s.Attempt:
		return nil, fmt.Errorf("cannot start %q, attempt %d: %w", s.ID, s.Attempt, ErrTaken)
	}
	r.busy[s.ID] = true
	return old, nil
}

// begin writes the claim and starts the process in the way that this host has.
func (r *Runner) begin(s Spec, old *proc) (*proc, error) {
	c := &claim{
		Boot: r.boot, ID: s.ID, Attempt: s.Attempt, Owner: s.Owner, Hash: s.Hash, Note: slices.Clone(s.Note),
		Started: time.Now().UnixNano(), Clock: int64(bootClock()), Awake: int64(awakeClock()),
	}
	c.Limits, c.Groups = s.Limits, r.host.Plan(c.name(), s.Limits)
	start := r.startHelped
	if r.caps.CgroupV2 != "" {
		c.Cgroup = r.caps.CgroupV2 + "/" + c.name()
		start = r.startCloned
	}
	fd, err := r.claim(c, old)
	switch {
	case errors.Is(err, ErrTaken):
		return nil, fmt.Errorf("cannot start %q: %w", s.ID, err)
	case err != nil: // its errno is not the program's
		return nil, fmt.Errorf("cannot start %q: cannot write its claim: %v", s.ID, err)
	}
	defer unix.Close(fd)
	pidfd, err := start(s, c, fd)
	if err != nil {
		writeAll(fd, voidLine())
		if old == nil {
			unix.Unlink(r.file(s.ID))
		}
		return nil, err
	}
	if r.calm {
		calmDown(c.ident.pid)
	}
	p := newProc(c)
	p.pidfd = pidfd
	return p, nil
}

// claimLimit is the size from which an instance's claim file is begun anew.
const claimLimit = 64 << 10

// claim adds the header of a run to its instance's file.
func (r *Runner) claim(c *claim, old *proc) (int, error) {
	file, flags := r.file(c.ID), unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC
	if old == nil {
		flags |= unix.O_CREAT | unix.O_EXCL
	}
	fd, err := unix.Open(file, flags, 0o600)
	switch {
	case errors.Is(err, unix.EEXIST):
		return -1, ErrTaken
	case errors.Is(err, unix.ENOENT) && old != nil:
		fd, err = r.renew(old)
	case errors.Is(err, unix.ENOENT) && os.MkdirAll(r.claims, 0o700) == nil:
		fd, err = unix.Open(file, flags, 0o600)
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if old != nil && unix.Fstat(fd, &st) == nil && st.Size > claimLimit {
		unix.Close(fd)
		if fd, err = r.renew(old); err != nil {
			return -1, err
		}
	}
	if err = writeAll(fd, c.header()); err != nil {
		unix.Close(fd)
		if old == nil {
			unix.Unlink(file)
		}
		return -1, err
	}
	return fd, nil
}

// startCloned claims by the cgroup that the process is cloned into.
func (r *Runner) startCloned(s Spec, c *claim, fd int) (int, error) {
	dir, err := makeCgroup(c.Cgroup)
	switch {
	case errors.Is(err, ErrTaken):
		return -1, fmt.Errorf("cannot start %q: cgroup %q: %w", s.ID, c.Cgroup, err)
	case err != nil: // its errno is not the program's
		return -1, fmt.Errorf("cannot start %q: cannot make cgroup %q: %v", s.ID, c.Cgroup, err)
	}
	defer unix.Close(dir)
	c.home = inode(dir)
	attr, pidfd := attributes(s)
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, dir
	prepared, err := r.limit(s, c)
	if err != nil {
		removeGroup(c.group())
		return -1, err
	}
	var pid int
	if len(prepared) > 0 || s.Sandbox != nil {
		pid, err = r.forkHelped(s, append(prepared, "-", "0"), attr)
	} else {
		attr.Sys.Credential, attr.Dir = s.Credential, directory(s)
		if pid, err = fork(s.Path, s.Argv, attr); err != nil {
			err = explain(s, "", err)
		}
	}
	if err != nil {
		removeGroup(c.group())
		return -1, err
	}
	i, _ := identify(pid, *pidfd) // it is our child and not reaped
	if err := writeAll(fd, pidLine(i, c.Started)); err != nil {
		r.o.Log.Info("a claim has no process id, its cgroup stands for it", "instance", s.ID, "reason", err.Error())
	}
	c.ident = i
	return *pidfd, nil
}

// attributes is what all processes are started with. The pidfd is there after the fork.
func attributes(s Spec) (*syscall.ProcAttr, *int) {
	pidfd := new(int)
	*pidfd = -1
	return &syscall.ProcAttr{
		Env: s.Env, Files: []uintptr{devNull(), s.Output, s.Output}, Sys: &syscall.SysProcAttr{Setsid: true, PidFD: pidfd},
	}, pidfd
}

// inode of an open file; 0 when it cannot be told.
func inode(fd int) uint64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

func directory(s Spec) string {
	if s.Dir == "" {
		return "/"
	}
	return s.Dir
}
