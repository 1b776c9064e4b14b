//go:build !linux

package probe

import "os/exec"

// wait reaps a command and kills what it left behind.
func wait(cmd *exec.Cmd, side Side) error {
	err := cmd.Wait()
	_ = side.Kill(cmd.Process.Pid)
	return err
}
