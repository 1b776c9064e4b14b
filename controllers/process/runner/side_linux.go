package runner

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// Side is where one command runs beside the main process of a run, so that nothing of it outlives it: a cgroup below the run's, or where
// there is none the tree below a mirrorguard of its own. It is for one goroutine at a time, but for Kill.
type Side struct {
	guard   string
	dir     string // of the cgroup
	fd      int    // of dir
	reasons *os.File
	writes  *os.File
}

// sidePrefix begins the names of cgroups of commands, below a run's.
const sidePrefix = "exec-"

// sides counts commands, so that each has a name of its own.
var sides atomic.Uint64

// Beside makes a place for a command that belongs to a live run. Close must be called on it.
func (r *Runner) Beside(id string) (*Side, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, err := r.alive("run a command beside", id)
	if err != nil {
		return nil, err
	}
	s := &Side{guard: r.o.Guard, fd: -1}
	if p.cgroup == "" {
		return s, nil
	}
	for err = unix.EEXIST; err == unix.EEXIST; { // an earlier operator counted too
		s.dir = p.cgroup + "/" + sidePrefix + strconv.FormatUint(sides.Add(1), 10)
		err = unix.Mkdir(s.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run a command beside %q: cannot make its cgroup: %v", id, err)
	}
	if s.fd, err = unix.Open(s.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		unix.Rmdir(s.dir)
		return nil, fmt.Errorf("cannot run a command beside %q: cannot open its cgroup: %v", id, err)
	}
	return s, nil
}

// Prepare has a command started here, by attributes that are set, or by words to put before its path and its arguments, with the file
// reasons as descriptor 3. A command that is not cloned into a cgroup becomes the child of a mirrorguard, which takes on its user only
// for the command itself.
func (s *Side) Prepare(attr *syscall.SysProcAttr) (words []string, reasons *os.File, err error) {
	if s.dir != "" {
		attr.UseCgroupFD, attr.CgroupFD = true, s.fd
		return nil, nil, nil
	}
	if s.guard == "" {
		return nil, nil, nil // then the group is all there is
	}
	if s.reasons, s.writes, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	words = []string{s.guard, "tree"}
	if c := attr.Credential; c != nil {
		words = append(words, "-u", userWord(c))
		attr.Credential = nil
	}
	return append(words, "--"), s.writes, nil
}

// Kill ends all that runs here; pid is the command's. It does not wait.
func (s *Side) Kill(pid int) error {
	switch {
	case s.dir != "":
		group.KillV2(s.dir)
		return nil
	case s.reasons != nil: // mirrorguard kills the rest
		return unix.Kill(pid, unix.SIGTERM)
	}
	return unix.Kill(-pid, unix.SIGKILL)
}

// Close ends what is left, once the command was waited for, and tells why the command could not be executed, if it could not.
func (s *Side) Close() error {
	if s.reasons != nil {
		s.writes.Close()
		defer s.reasons.Close()
		var buf [64]byte
		n, _ := s.reasons.Read(buf[:])
		if errno, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil {
			return syscall.Errno(errno)
		}
		return nil
	}
	if s.dir == "" {
		return nil
	}
	unix.Close(s.fd)
	for end := time.Now().Add(patience); unix.Rmdir(s.dir) == unix.EBUSY && time.Now().Before(end); {
		group.KillV2(s.dir)
		time.Sleep(time.Millisecond) // what was killed is not gone at once
	}
	group.Remove(s.dir) // a command may have made some below
	return nil
}

// sweepSides ends the commands that an earlier operator ran beside a run, and nobody waits for any more.
func sweepSides(cgroup string) {
	if cgroup == "" {
		return
	}
	entries, _ := os.ReadDir(cgroup)
	for _, e := range entries {
		if dir := cgroup + "/" + e.Name(); e.IsDir() && strings.HasPrefix(e.Name(), sidePrefix) {
			group.KillV2(dir)
			unix.Rmdir(dir) // else it goes with the run's
		}
	}
}
