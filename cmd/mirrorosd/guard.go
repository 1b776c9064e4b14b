package main

import (
	"context"

	"mirroros.dev/mirroros/controllers/gate/sockets"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
)

// underGuard tells whether this process was started by a guardian that is still alive.
func underGuard() bool { return guard.Guarded() }

// execGuard turns this process into the guardian, which starts it again with the same arguments as its child. It returns only
// when that is not possible: without mirrorguard beside the executable or in PATH, and on systems other than Linux.
func execGuard(state string) error { return guard.Exec(guard.Options{State: state}) }

// watchGuard blocks until the guardian died and then turns this process into a new one, which starts a new operator that adopts
// what runs; the listening sockets go along. It returns when ctx ended, or with an error when no guardian can be made; then the operator goes on without one.
func watchGuard(ctx context.Context, state string, held *sockets.Hub) error {
	if err := guard.Watch(ctx); err != nil {
		return err
	}
	return held.Hand(func(fds map[string]int) error { return guard.Exec(guard.Options{State: state, Sockets: fds}) })
}

// endGuarded must be called before this process ends on purpose with a code other than 0, so that the guardian ends with that
// code too instead of starting it again.
func endGuarded() { guard.End() }
