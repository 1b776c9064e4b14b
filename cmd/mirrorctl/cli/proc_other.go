//go:build !linux

package cli

import (
	"context"
	"errors"
	"syscall"
	"time"

	"mirroros.dev/mirroros/specs"
)

// execIn, measure and leads need Linux' /proc.
func (c *command) execIn(*specs.Instance, []string) error {
	return errors.New("cannot run a command like a process: that needs Linux")
}

func measure(context.Context, []specs.Instance, time.Duration) ([]usage, error) {
	return nil, errors.New("cannot measure what processes use: that needs Linux")
}

// alive tells whether a process is there.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return pid > 0 && (err == nil || errors.Is(err, syscall.EPERM))
}

// leads cannot be told here.
func leads(int) bool { return false }
