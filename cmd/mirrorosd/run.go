package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"mirroros.dev/mirroros/controllers/budget"
	"mirroros.dev/mirroros/controllers/check"
	"mirroros.dev/mirroros/controllers/gate"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/controllers/gate/sockets"
	"mirroros.dev/mirroros/controllers/process"
	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
	"mirroros.dev/mirroros/controllers/process/sandbox"
	"mirroros.dev/mirroros/controllers/rollout"
	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// operator is everything that is open while the operator runs. It is opened in order and closed in reverse.
type operator struct {
	options
	log       logr.Logger
	started   time.Time
	state     *state
	store     *store.Store
	client    *reconcile.Client
	events    *reconcile.Recorder
	runner    *runner.Runner
	logs      *logs.Logs
	source    *source.Source
	processes *process.Reconciler
	stacks    *stack.Reconciler
	rollouts  *rollout.Reconciler
	gates     *gate.Reconciler
	budgets   *budget.Reconciler
	checks    *check.Reconciler
	sockets   *sockets.Hub
	line      *control.Server
	audit     *auditLog
	sandbox   *sandbox.Host
	manager   *reconcile.Manager
	index     *admit.Index
	warnings  []string
	// stop ends the operator; stopAll ends what it runs first. ending: that is what it was started for, see wish.
	stop    context.CancelFunc
	stopAll chan struct{}
	ending  bool
	ways    sync.Mutex // guards leaving, and which of the two ways to end was asked for first
	leaving bool       // it ends and leaves everything running
}

// run is the operator's life: it becomes guarded, opens what it owns, and reconciles until it is asked to end.
func run(ctx context.Context, o options) error {
	log, err := newLog(o.LogFormat, o.LogLevel)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := os.MkdirAll(o.State, 0o711); err != nil {
		return fmt.Errorf("cannot make state directory %q: %v; give another with --state", o.State, err)
	}
	if !underGuard() {
		return execGuard(o.State)
	}
	lean()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // nobody reads the log any more: no reason to die
	op := &operator{options: o, log: log, started: time.Now(), stopAll: make(chan struct{}, 1)}
	if err := op.open(); err != nil {
		op.close()
		endGuarded() // starting it again cannot mend a refusal to start
		return err
	}
	defer op.close()
	return op.serve(ctx)
}

// open opens everything, in the order in which the parts need each other. What fails is closed by close.
func (op *operator) open() (err error) {
	if op.state, err = openState(op.State); err != nil {
		return err
	}
	op.warnings = append(op.warnings, op.state.warnings...)
	if err := os.MkdirAll(op.Run, 0o700); err != nil {
		return fmt.Errorf("cannot make runtime directory %q: %v; give another with --run", op.Run, err)
	}
	op.store, err = store.Open(filepath.Join(op.State, "state.db"), store.Options{Codec: reconcile.Codec(), Log: op.log.WithName("store")})
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno): // the disk or its rights, not the file
		return fmt.Errorf("cannot open the store in %q: %w", op.State, err)
	case err != nil:
		return fmt.Errorf("cannot open the store in %q: %w; move state.db away to begin anew: what runs is taken up again, what was made through the API is lost", op.State, err)
	}
	guardPath, err := guard.Find()
	if err != nil {
		return err
	}
	op.runner, err = runner.Open(runner.Options{StateDir: op.State, Guard: guardPath, Mark: specs.VarInstance, Log: op.log.WithName("runner")})
	if err != nil {
		return fmt.Errorf("cannot take up what runs: %w", err)
	}
	op.logs, err = logs.Open(filepath.Join(op.State, "logs"), logs.Options{Log: op.log.WithName("logs"), Changed: func(id string) { op.processes.LogChanged(id) }})
	if err != nil {
		return fmt.Errorf("cannot open the logs in %q: %w", op.State, err)
	}
	if err := op.findWish(); err != nil {
		return err
	}
	if err := op.logs.Bounded(); err != nil {
		op.warnings = append(op.warnings, err.Error())
	}
	op.sandbox = sandbox.Probe()
	op.client = reconcile.NewClient(op.store, reconcile.ClientOptions{})
	op.events = reconcile.NewRecorder(reconcile.RecorderOptions{Client: op.client, Component: "mirrorosd", Log: op.log})
	op.source = source.New(source.Options{Root: op.Manifests, Log: op.log.WithName("source")})
	op.warnings = append(op.warnings, unsafeUnit()...)
	op.index = &admit.Index{}
	if err := op.openGates(); err != nil {
		return err
	}
	op.reconcilers()
	if err := op.stacks.Return(context.Background()); err != nil {
		op.log.Error(err, "cannot go back from a rollout that was on its way when the host went down; it goes on where it was")
	}
	return nil
}

// findWish looks for a shutdown that an earlier operator did not come to the end of.
func (op *operator) findWish() error {
	w, err := readWish(op.State)
	if err != nil {
		op.log.Error(err, "Starting as if there were none")
	}
	if op.ending = w.binds(thisLife(), op.running() > 0); !op.ending {
		return dropWish(op.State)
	}
	op.log.Info("Finishing the shutdown that an earlier operator began; start it once more to start everything again", "asked", w.At)
	op.keep(*w)
	op.stopAll <- struct{}{}
	return nil
}

// close gives back what is open, in reverse.
func (op *operator) close() {
	if op.events != nil {
		op.events.Flush()
	}
	if op.sockets != nil {
		op.sockets.Close()
	}
	if op.audit != nil {
		op.report(op.audit.Close(), "cannot close the audit log")
	}
	if op.logs != nil {
		op.report(op.logs.Close(), "cannot close the logs")
	}
	if op.runner != nil {
		op.report(op.runner.Close(), "cannot close the runner")
	}
	if op.store != nil {
		op.report(op.store.Close(), "cannot close the store")
	}
	if op.state != nil {
		op.state.Close()
	}
}

func (op *operator) report(err error, what string) {
	if err != nil {
		op.log.Error(err, what)
	}
}

// serve runs every part until the operator is asked to end, and waits for all of them.
func (op *operator) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	op.stop = cancel
	listeners, err := op.listen()
	if err != nil {
		endGuarded()
		return err
	}
	for _, w := range op.warnings {
		op.log.Info("Warning: " + w)
	}
	go op.obey(ctx, cancel)
	parts := append(op.parts(), listeners...)
	ended := make(chan error, len(parts))
	for _, p := range parts {
		go func() {
			err := p.run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				err = fmt.Errorf("%s: %w", p.name, err)
			} else {
				err = nil
			}
			ended <- err
		}()
	}
	op.log.Info("Running", "manifests", op.Manifests, "state", op.State, "socket", filepath.Join(op.Run, "api.sock"), "held", len(op.runner.List()))
	var failed error
	for range parts {
		if err := <-ended; err != nil && failed == nil {
			failed = err
			cancel()
		}
	}
	if failed == nil {
		op.farewell()
	}
	return failed
}

// part is something that runs as long as the operator does.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// obey ends the operator on a signal or on request. The terminal and the guardian may both pass on the same Ctrl-C: while a stop is under
// way, further signals change nothing.
func (op *operator) obey(ctx context.Context, end context.CancelFunc) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	defer end()
	select {
	case <-ctx.Done():
		return
	case s := <-signals:
		op.log.Info("Asked to end", "signal", s.String())
		if op.leaves() {
			return
		}
	case <-op.stopAll:
	}
	op.log.Info("Stopping everything, dependents first")
	if err := op.processes.Shutdown(ctx); err != nil {
		op.log.Error(err, "Not everything was stopped")
	}
}

// leaves decides what a signal to end means: to leave everything running, unless everything is to be stopped then, or somebody has asked
// for that just before.
func (op *operator) leaves() bool {
	op.ways.Lock()
	defer op.ways.Unlock()
	switch {
	case len(op.stopAll) > 0:
	case op.StopOnExit:
		op.keep(wish{})
	default:
		op.leaving = true
	}
	return op.leaving
}

// stopEverything begins to do so. An operator that is killed from here on is followed by one that goes on with it.
func (op *operator) stopEverything() error {
	op.ways.Lock()
	defer op.ways.Unlock()
	if op.leaving {
		return errors.New("cannot stop everything: the operator was asked to end and leave it running; start it again, and then ask again")
	}
	op.keep(wish{Asked: true})
	select {
	case op.stopAll <- struct{}{}:
	default: // it is under way
	}
	return nil
}

// keep notes durably that everything is to be stopped. Where that cannot be, on a full disk, it is stopped all the same.
func (op *operator) keep(w wish) {
	if w.At.IsZero() {
		w.At = time.Now()
	}
	w.life = thisLife()
	if err := keepWish(op.State, w); err != nil {
		op.log.Error(err, "Another operator would start everything again if this one were killed now")
	}
}

// running counts the workloads that live.
func (op *operator) running() (n int) {
	for _, i := range op.runner.List() {
		if i.Exit == nil {
			n++
		}
	}
	return n
}

// farewell tells what was left behind and how to reach it.
func (op *operator) farewell() {
	left := op.running()
	if left == 0 {
		op.log.Info("Ended. Nothing is left running.")
		return
	}
	op.log.Info(fmt.Sprintf("Ended. %d workloads run on; start mirrorosd with the same --state to take them up again, then `mirrorctl down` stops them.", left))
}
