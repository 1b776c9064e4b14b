package process

import (
	"context"
	"os"
	"syscall"

	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/specs"
)

// Runtime runs programs; *runner.Runner is one.
type Runtime interface {
	Run(ctx context.Context, notify func(id string)) error
	List() []runner.Instance
	Get(id string) (runner.Instance, bool)
	Start(runner.Spec) (runner.Instance, error)
	Announce(id string) error
	Stop(id string, sig syscall.Signal) error
	Signal(id string, sig syscall.Signal) error
	Kill(id string) error
	Forget(id string) error
	Beside(id string) (*runner.Side, error)
}

// Recorder tells events; *reconcile.Recorder is one.
type Recorder interface {
	Event(o specs.Object, typ, reason, message string)
}

// LogKeeper keeps the output of instances; *logs.Logs is one.
type LogKeeper interface {
	Writer(id string, maxBytes int64) (*os.File, error)
	Mark(id string, attempt int) error
	Attach(id string, maxBytes int64, pid int) error
	Detach(id string)
	Tail(id string, n int) []string
	Health(id string) logs.Health
	Remove(id string) error
	List() []string
}
