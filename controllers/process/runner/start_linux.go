package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
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
	p, err := r.begin(s)
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
func (r *Runner) begin(s Spec) (*proc, error) {
	c := &claim{
		Boot: r.boot, ID: s.ID, Attempt: s.Attempt, Owner: s.Owner, Hash: s.Hash, Note: slices.Clone(s.Note),
		Started: time.Now().UnixNano(), Clock: int64(bootClock()),
	}
	start := r.startHelped
	if r.caps.CgroupV2 != "" {
		c.Cgroup = r.caps.CgroupV2 + "/" + c.name()
		start = r.startCloned
	}
	pidfd, err := start(s, c)
	if err != nil {
		return nil, err
	}
	if r.calm {
		calmDown(c.ident.pid)
	}
	p := newProc(c)
	p.pidfd = pidfd
	return p, nil
}

// write makes a claim file that was not there.
func (c *claim) write(file string) (int, error) {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EEXIST) {
		err = ErrTaken
	}
	if err == nil {
		if err = writeAll(fd, c.header()); err != nil {
			unix.Close(fd)
			unix.Unlink(file)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("cannot start %q: cannot write its claim: %w", c.ID, err)
	}
	return fd, nil
}

// startCloned claims by the cgroup that the process is cloned into.
func (r *Runner) startCloned(s Spec, c *claim) (int, error) {
	file := r.file(c.ID, c.Attempt)
	fd, err := c.write(file)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	dir, err := makeCgroup(c.Cgroup)
	if err != nil {
		unix.Unlink(file)
		return -1, fmt.Errorf("cannot start %q: cannot make cgroup %q: %w", s.ID, c.Cgroup, err)
	}
	defer unix.Close(dir)
	attr, pidfd := attributes(s)
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, dir
	attr.Sys.Credential, attr.Dir = s.Credential, directory(s)
	pid, err := fork(s.Path, s.Argv, attr)
	if err != nil {
		removeCgroup(c.Cgroup)
		unix.Unlink(file)
		return -1, explain(s, "", err)
	}
	c.ident, _ = identify(pid, *pidfd) // it is our child and not reaped
	if err := writeAll(fd, pidLine(c.ident)); err != nil {
		r.o.Log.Info("a claim has no process id, its cgroup stands for it", "instance", s.ID, "reason", err.Error())
	}
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

func directory(s Spec) string {
	if s.Dir == "" {
		return "/"
	}
	return s.Dir
}

// startHelped lets the child claim for itself: mirrorguard turns the offer into the claim and then becomes the program.
func (r *Runner) startHelped(s Spec, c *claim) (int, error) {
	file := r.file(c.ID, c.Attempt)
	if unix.Access(file, unix.F_OK) == nil {
		return -1, fmt.Errorf("cannot start %q, attempt %d: %w", s.ID, s.Attempt, ErrTaken)
	}
	offer := file + ".new"
	fd, err := c.write(offer)
	if err != nil {
		return -1, err
	}
	unix.Close(fd)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		unix.Unlink(offer)
		return -1, fmt.Errorf("cannot start %q: %w", s.ID, err)
	}
	defer unix.Close(pipe[0])
	attr, pidfd := attributes(s)
	attr.Dir = "/"
	attr.Files = append(attr.Files, uintptr(pipe[1]))
	_, err = fork(r.o.Guard, helperArgs(s, file), attr)
	unix.Close(pipe[1])
	if err != nil {
		unix.Unlink(offer)
		if errors.Is(err, unix.E2BIG) {
			return -1, explain(s, "", err)
		}
		return -1, fmt.Errorf("cannot start %q: cannot execute mirrorguard %q: %w", s.ID, r.o.Guard, err)
	}
	if err := r.hear(s, c, pipe[0], *pidfd); err != nil {
		unix.Close(*pidfd)
		unix.Unlink(offer)
		return -1, err
	}
	return *pidfd, nil
}

// helperArgs is mirrorguard's command line. It keeps the operator's user until it has claimed.
func helperArgs(s Spec, file string) []string {
	args := []string{"mirrorguard", "exec", "-e", "3", "-d", directory(s)}
	if c := s.Credential; c != nil {
		groups := make([]string, len(c.Groups))
		for i, g := range c.Groups {
			groups[i] = strconv.FormatUint(uint64(g), 10)
		}
		args = append(args, "-u", fmt.Sprintf("%d:%d:%s", c.Uid, c.Gid, strings.Join(groups, ",")))
	}
	return append(append(args, file, "--", s.Path), s.Argv...)
}

// hear waits until the helper became the program, which closes the pipe, or told why not.
func (r *Runner) hear(s Spec, c *claim, pipe, pidfd int) error {
	var buf [64]byte
	n, err := unix.Read(pipe, buf[:])
	for err == unix.EINTR {
		n, err = unix.Read(pipe, buf[:])
	}
	file := r.file(c.ID, c.Attempt)
	data, _ := os.ReadFile(file)
	claimed, ok := parseClaim(data)
	if n <= 0 && ok {
		c.ident = claimed.ident
		return nil
	}
	for unix.Waitid(waitPidfd, pidfd, nil, unix.WEXITED, nil) == unix.EINTR { // it ends by itself
	}
	unix.Unlink(file)
	if n <= 0 {
		return fmt.Errorf("cannot start %q: its claim could not be written", s.ID)
	}
	stage, number, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	errno, _ := strconv.Atoi(number)
	return explain(s, stage, syscall.Errno(errno))
}
