package probe

import (
	"errors"
	"os/exec"

	"golang.org/x/sys/unix"
)

// wait reaps a command after it has killed what it left behind: until then the number of its group is its own.
func wait(cmd *exec.Cmd, side Side) error {
	for errors.Is(unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	_ = killGroup(cmd.Process.Pid)
	_ = side.Kill(cmd.Process.Pid)
	return cmd.Wait()
}
