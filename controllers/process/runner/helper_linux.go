package runner

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/sandbox"
)

// startHelped lets the child claim for itself: mirrorguard adds its process id to the claim, looks whether nobody made it void
// before, and then becomes the program.
func (r *Runner) startHelped(s Spec, c *claim, _ int) (int, error) {
	prepared, err := r.limit(s, c)
	if err != nil {
		return -1, err
	}
	attr, pidfd := attributes(s)
	_, err = r.forkHelped(s, append(prepared, "-m", c.mark(r.file(s.ID)), r.file(s.ID), strconv.FormatInt(c.Started, 10)), attr)
	if err == nil {
		if now := r.last(s.ID); now != nil && now.Started == c.Started && now.ident.pid != 0 {
			c.ident = now.ident
			return *pidfd, nil
		}
		awaitEnd(*pidfd)
		unix.Close(*pidfd)
		err = fmt.Errorf("cannot start %q: mirrorguard could not write its claim", s.ID)
	}
	removeGroup(c.group())
	return -1, err
}

// forkHelped starts mirrorguard, which prepares itself by the given words and becomes the program. It has done so when there is no
// error, or was killed before it could. It keeps the operator's user until it is prepared.
func (r *Runner) forkHelped(s Spec, words []string, attr *syscall.ProcAttr) (int, error) {
	if r.o.Guard == "" {
		return 0, fmt.Errorf("cannot start %q: it needs mirrorguard, and there is none", s.ID)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("cannot start %q: %w", s.ID, err)
	}
	defer unix.Close(pipe[0])
	attr.Dir = "/"
	attr.Files = append(attr.Files, uintptr(pipe[1]))
	args := []string{"mirrorguard", "exec", "-e", "3", "-d", directory(s)}
	if s.Sandbox != nil {
		fd, err := memory(s.Sandbox.Text)
		if err != nil {
			return 0, fmt.Errorf("cannot start %q: cannot write its sandbox down: %v", s.ID, err)
		}
		defer unix.Close(fd)
		attr.Files = append(attr.Files, uintptr(fd))
		args = append(args, "-s", "4")
		s.Sandbox.clone(attr.Sys)
	}
	var doors [2]int
	open := s.Sandbox != nil && s.Sandbox.Doors != nil
	if open {
		var err error
		if doors, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0); err != nil {
			return 0, fmt.Errorf("cannot start %q: %w", s.ID, err)
		}
		defer unix.Close(doors[0])
		attr.Files = append(attr.Files, uintptr(doors[1]))
		args = append(args, "-l", "5")
	}
	if c := s.Credential; c != nil {
		args = append(args, "-u", userWord(c))
	}
	args = append(append(append(args, words...), "--", s.Path), s.Argv...)
	pid, err := fork(r.o.Guard, args, attr)
	unix.Close(pipe[1])
	if open {
		unix.Close(doors[1])
	}
	if errors.Is(err, unix.E2BIG) {
		return 0, explain(s, "", err)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot start %q: cannot execute mirrorguard %q: %v", s.ID, r.o.Guard, err)
	}
	var shut error
	if open {
		shut = takeDoors(doors[0], s.Sandbox.Doors)
		unix.Shutdown(doors[0], unix.SHUT_RDWR) // who was not answered waits no longer
	}
	if err := hear(s, pipe[0]); err != nil {
		if shut != nil {
			err = fmt.Errorf("cannot start %q: its sockets are not where they belong: %w", s.ID, shut)
		}
		awaitEnd(*attr.Sys.PidFD)
		unix.Close(*attr.Sys.PidFD)
		return 0, err
	}
	return pid, nil
}

// takeDoors receives the sockets that the helper has made, and answers when they are where they belong. A helper that failed sends none,
// and says why elsewhere.
func takeDoors(fd int, doors func([]*os.File) error) error {
	const most = 64
	var b [1]byte
	rights := make([]byte, unix.CmsgSpace(4*most))
	n, rn, _, _, err := unix.Recvmsg(fd, b[:], rights, unix.MSG_CMSG_CLOEXEC)
	for err == unix.EINTR {
		n, rn, _, _, err = unix.Recvmsg(fd, b[:], rights, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "door"))
		}
	}
	if err := doors(files); err != nil {
		return err
	}
	_, err = unix.Write(fd, b[:])
	return err
}

// clone has the helper begin in the namespaces of its sandbox.
func (b *Sandbox) clone(a *syscall.SysProcAttr) {
	if b.NewNet {
		sandbox.Namespaces(a, b.NewUser)
	}
}

// memory is a file with a content that is nowhere.
func memory(text []byte) (int, error) {
	fd, err := unix.MemfdCreate("sandbox", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if err = writeAll(fd, text); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
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
func hear(s Spec, pipe int) error {
	var buf [64]byte
	n, err := unix.Read(pipe, buf[:])
	for err == unix.EINTR {
		n, err = unix.Read(pipe, buf[:])
	}
	if n <= 0 {
		return nil
	}
	stage, number, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
	errno, _ := strconv.Atoi(number)
	return explain(s, stage, syscall.Errno(errno))
}

// awaitEnd waits for a helper that ends by itself, and reaps it.
func awaitEnd(pidfd int) {
	for unix.Waitid(waitPidfd, pidfd, nil, unix.WEXITED, nil) == unix.EINTR {
	}
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
