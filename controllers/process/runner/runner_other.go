//go:build !linux

package runner

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// AwakeAt knows no reading of another process' here.
func AwakeAt(time.Duration) time.Time { return time.Time{} }

// Runner holds nothing on this system.
type Runner struct{ err error }

// Open returns an error: the runner needs pidfds.
func Open(Options) (*Runner, error) {
	return nil, fmt.Errorf("cannot run processes on %s: the runner needs Linux", runtime.GOOS)
}

// Run returns an error.
func (r *Runner) Run(context.Context, func(id string)) error { return r.err }

// Close does nothing.
func (r *Runner) Close() error { return r.err }

// List is empty.
func (r *Runner) List() []Instance { return nil }

// Get finds nothing.
func (r *Runner) Get(string) (Instance, bool) { return Instance{}, false }

// Start returns an error.
func (r *Runner) Start(Spec) (Instance, error) { return Instance{}, r.err }

// Announce returns an error.
func (r *Runner) Announce(string) error { return r.err }

// Stop returns an error.
func (r *Runner) Stop(string, syscall.Signal) error { return r.err }

// Signal returns an error.
func (r *Runner) Signal(string, syscall.Signal) error { return r.err }

// Limit returns an error.
func (r *Runner) Limit(string, group.Limits) error { return r.err }

// Kill returns an error.
func (r *Runner) Kill(string) error { return r.err }

// Forget returns an error.
func (r *Runner) Forget(string) error { return r.err }

// Side does not exist here.
type Side struct{}

// Beside returns an error.
func (r *Runner) Beside(string) (*Side, error) { return nil, r.err }

// Prepare changes nothing.
func (*Side) Prepare(*syscall.SysProcAttr) ([]string, *os.File, error) { return nil, nil, nil }

// Kill kills the command's group.
func (*Side) Kill(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// Close does nothing.
func (*Side) Close() error { return nil }

// Capabilities is empty.
func (r *Runner) Capabilities() Capabilities { return Capabilities{} }
