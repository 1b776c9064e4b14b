package runner

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// startHelped lets the child claim for itself: mirrorguard adds its process id to the claim, looks whether nobody made it void
// before, and then becomes the program.
func (r *Runner) startHelped(s Spec, c *claim, _ int) (int, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("cannot start %q: %w", s.ID, err)
	}
	defer unix.Close(pipe[0])
	attr, pidfd := attributes(s)
	attr.Dir = "/"
	attr.Files = append(attr.Files, uintptr(pipe[1]))
	_, err := fork(r.o.Guard, helperArgs(s, c, r.file(s.ID)), attr)
	unix.Close(pipe[1])
	if errors.Is(err, unix.E2BIG) {
		return -1, explain(s, "", err)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot start %q: cannot execute mirrorguard %q: %v", s.ID, r.o.Guard, err)
	}
	if err := r.hear(s, c, pipe[0], *pidfd); err != nil {
		unix.Close(*pidfd)
		return -1, err
	}
	return *pidfd, nil
}

// helperArgs is mirrorguard's command line. It keeps the operator's user until it has claimed.
func helperArgs(s Spec, c *claim, file string) []string {
	args := []string{"mirrorguard", "exec", "-e", "3", "-d", directory(s), "-m", c.mark(file)}
	if c := s.Credential; c != nil {
		args = append(args, "-u", userWord(c))
	}
	return append(append(args, file, strconv.FormatInt(c.Started, 10), "--", s.Path), s.Argv...)
}

// userWord is UID:GID:GROUPS, as mirrorguard takes it.
func userWord(c *syscall.Credential) string {
	groups := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = strconv.FormatUint(uint64(g), 10)
	}
	return fmt.Sprintf("%d:%d:%s", c.Uid, c.Gid, strings.Join(groups, ","))
}

// hear waits until the helper became the program, which closes the pipe, or told why not.
func (r *Runner) hear(s Spec, c *claim, pipe, pidfd int) error {
	var buf [64]byte
	n, err := unix.Read(pipe, buf[:])
	for err == unix.EINTR {
		n, err = unix.Read(pipe, buf[:])
	}
	if n <= 0 {
		if now := r.last(s.ID); now != nil && now.Started == c.Started && now.ident.pid != 0 {
			c.ident = now.ident
			return nil
		}
	}
	for unix.Waitid(waitPidfd, pidfd, nil, unix.WEXITED, nil) == unix.EINTR { // it ends by itself
	}
	if n <= 0 {
		return fmt.Errorf("cannot start %q: mirrorguard could not write its claim", s.ID)
	}
	stage, number, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	errno, _ := strconv.Atoi(number)
	return explain(s, stage, syscall.Errno(errno))
}

// last reads the last run of an instance's claim file.
func (r *Runner) last(id string) *claim {
	data, _ := os.ReadFile(r.file(id))
	all := parseClaims(data)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}
