package bridge

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// wait ends what the process left behind while its id is still its own, and then reaps it.
func (c *child) wait() error {
	for {
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	c.signal(syscall.SIGKILL)
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	return c.cmd.Wait()
}
