package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// explain says which of program, directory and user the kernel did not like. Stage is the helper's, "" when it is not known.
func explain(s Spec, stage string, err error) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("cannot start %q: %s: %w", s.ID, fmt.Sprintf(format, args...), err)
	}
	switch {
	case errors.Is(err, unix.E2BIG):
		return fail("its arguments and environment have %d bytes, more than the kernel takes", size(s))
	case errors.Is(err, unix.EAGAIN):
		return fail("the limit on processes is reached")
	case stage == "join": // the errno of these is not the program's
		return fmt.Errorf("cannot start %q: cannot join its cgroup: %v", s.ID, err)
	case stage == "sandbox":
		return fmt.Errorf("cannot start %q: cannot enter its sandbox: %v", s.ID, err)
	case stage == "limit":
		return fmt.Errorf("cannot start %q: cannot limit its memory: %v", s.ID, err)
	case stage == "user", stage == "" && s.Credential != nil && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL)):
		return fail("cannot become user %d", s.Credential.Uid)
	}
	dir := directory(s)
	if stage == "dir" || stage == "" && !usableDir(dir, s.Credential) {
		return fail("directory %q", dir)
	}
	info, serr := os.Stat(s.Path)
	switch {
	case errors.Is(err, unix.ENOENT) && serr == nil:
		return fail("program %q: the interpreter that it names is not there", s.Path)
	case errors.Is(err, unix.ENOEXEC):
		return fail("program %q: neither an executable nor a script with a first line that begins with #!", s.Path)
	case errors.Is(err, unix.EACCES) && serr == nil && info.IsDir():
		return fail("program %q is a directory", s.Path)
	case errors.Is(err, unix.EACCES) && serr == nil && info.Mode()&0o111 == 0:
		return fail("program %q is not executable", s.Path)
	}
	return fail("program %q", s.Path)
}

// size is what exec counts: the strings with their ends and a pointer for each.
func size(s Spec) int {
	n := 0
	for _, list := range [][]string{s.Argv, s.Env} {
		for _, v := range list {
			n += len(v) + 1 + 8
		}
	}
	return n
}

// usableDir tells whether a user can change to a directory, as far as the permission bits tell.
func usableDir(dir string, c *syscall.Credential) bool {
	if i, err := os.Stat(dir); err != nil || !i.IsDir() {
		return false
	}
	if c == nil {
		return unix.Access(dir, unix.X_OK) == nil
	}
	if c.Uid == 0 {
		return true
	}
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		var st unix.Stat_t
		if unix.Stat(d, &st) != nil {
			return false
		}
		bits := st.Mode
		if st.Uid == c.Uid {
			bits >>= 6
		} else if inGroup(st.Gid, c) {
			bits >>= 3
		}
		if bits&1 == 0 {
			return false
		}
		if d == "/" || d == "." {
			return true
		}
	}
}

func inGroup(gid uint32, c *syscall.Credential) bool {
	for _, g := range append([]uint32{c.Gid}, c.Groups...) {
		if g == gid {
			return true
		}
	}
	return false
}

// devNull is one descriptor of /dev/null for the whole process.
var devNull = sync.OnceValue(func() uintptr {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ^uintptr(0) // closed in the child
	}
	return uintptr(fd)
})
