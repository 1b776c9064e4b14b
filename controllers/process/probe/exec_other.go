//go:build !linux

package probe

import "os/exec"

// wait reaps a command and kills what it left behind.
func wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	_ = killGroup(cmd.Process.Pid)
	return err
}
