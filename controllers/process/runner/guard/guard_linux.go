package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner"
)

// endDescriptor is where the guardian reads that its operator ends on purpose.
const endDescriptor = 3

// Guarded tells whether the parent of this process is a guardian that started it. It is false once that guardian died.
func Guarded() bool {
	return os.Getenv(variable) == strconv.Itoa(os.Getppid())
}

// Exec replaces this process by a guardian that starts it again as its child. It returns only when that is not possible.
func Exec(o Options) error {
	path, argv, err := o.command()
	if err != nil {
		return err
	}
	env, fds := environ(), make([]int, 0, len(o.Sockets))
	if len(o.Sockets) > 0 {
		entries := make([]string, 0, len(o.Sockets))
		for name, fd := range o.Sockets {
			entries, fds = append(entries, strconv.Itoa(fd)+":"+name), append(fds, fd)
		}
		env = append(env, socketsVariable+"="+strings.Join(entries, " "))
	}
	err = runner.Hand(o.State, os.Getenv(variable) == "", fds, func() error { return syscall.Exec(path, argv, env) })
	return fmt.Errorf("cannot execute the guardian %q: %w", path, err)
}

// End tells the guardian that this process is about to end on purpose, whatever its exit code: it is not started again and the
// guardian ends with the same code. Without a guardian it does nothing.
func End() {
	if Guarded() {
		unix.Write(endDescriptor, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// Watch blocks until the guardian died, and then returns nil; or until ctx ended, and then returns its error. It must be called
// while Guarded, else it returns nil at once.
func Watch(ctx context.Context) error {
	pid := os.Getppid()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) || (err == nil && !Guarded()) { // it died before, or the number is another's by now
		if err == nil {
			unix.Close(pidfd)
		}
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("cannot watch the guardian, process %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	cancel, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot watch the guardian, process %d: %w", pid, err)
	}
	defer unix.Close(cancel)
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		unix.Write(cancel, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		close(done)
	})
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}, {Fd: int32(cancel), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if !stop() {
		<-done
		return ctx.Err()
	}
	return nil
}
