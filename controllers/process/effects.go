package process

import (
	"context"
	"os"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
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
	Limit(id string, l group.Limits) error
	Kill(id string) error
	Forget(id string) error
	Beside(id string) (*runner.Side, error)
}

// Recorder tells events; *reconcile.Recorder is one.
type Recorder interface {
	Event(o specs.Object, typ, reason, message string)
}

// Gate gives instances what they need at the gates.
type Gate interface {
	// Active tells whether there is a gate.
	Active() bool
	// Gates are the addresses of gates that listen, by name.
	Gates() map[string]string
	// RouteReady tells whether a route can serve now.
	RouteReady(name string) bool
	// Served tells whether a gate sends requests to a port of a process, so that an instance must be drained before it is stopped.
	Served(process string) bool
	// Drain waits until no gate sends requests to an instance any more and those that it was sent have ended, or until ctx ends.
	Drain(ctx context.Context, addresses []string)
	// Begin gives an instance that is about to start a token of its principal, in a file for its user (below 0: the operator's own), and
	// answers the path. TokenFile is that path.
	Begin(instance, principal string, uid, gid int) (file string, err error)
	TokenFile(instance string) string
	// Admit takes the sockets at which gates are to listen within the network of an instance that is about to start, by gate, and answers
	// when they are kept. Admitted tells that the start is over, well or not.
	Admit(instance string, doors map[string]*os.File) error
	Admitted(instance string)
	// Settle waits until what was given is in force at every gate that answers, or until ctx ends.
	Settle(ctx context.Context) error
	// InstanceToken makes a further token of an instance that is about to start; ttl 0 is as long as its principal may have one.
	InstanceToken(instance, principal string, ttl time.Duration) (string, error)
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
