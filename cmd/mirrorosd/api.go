package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/controllers/process/logs"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// listen opens the socket, and the TLS listener when one is asked for, and answers what serves them.
func (op *operator) listen() ([]part, error) {
	server := apiserver.New(apiserver.Options{
		Client:     op.client,
		Admit:      op.admit,
		Declared:   op.index,
		Source:     op.place,
		Logs:       logReader{op.logs},
		Stacks:     stacks{op.stacks},
		Host:       op,
		Gates:      gatesAPI{op},
		Budgets:    budgetsAPI{op.budgets, op.audit.dir()},
		Checks:     op.checks.RunNow,
		Reload:     op.processes.Reload,
		IsWorkload: op.isWorkload,
		Version:    version,
		Log:        op.log.WithName("api"),
	})
	socket, err := apiserver.ListenUnix(filepath.Join(op.Run, "api.sock"))
	if err != nil {
		return nil, err
	}
	parts := []part{{"api", func(ctx context.Context) error { return server.Serve(ctx, socket) }}}
	if op.Listen == "" {
		return parts, nil
	}
	secure, err := apiserver.ListenTLS(apiserver.TLSOptions{Address: op.Listen, StateDir: op.State, RunDir: op.Run})
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	op.log.Info("Serving the API with TLS", "address", secure.Addr().String(), "kubeconfig", secure.Kubeconfig)
	return append(parts, part{"api on " + op.Listen, func(ctx context.Context) error { return server.Serve(ctx, secure) }}), nil
}

// admit checks an object that is written through the API against what else is there.
func (op *operator) admit(o, _ specs.Object) field.ErrorList {
	return admit.Object(o, admit.World{
		Memory: hostMemory(),
		Others: op.index.Sets(),
		Get: func(k store.Key) (specs.Object, bool) {
			o, ok := op.store.Get(k)
			return o, ok
		},
		List: plan.Live(op.store).List,
	})
}

func (op *operator) place(kind, name string) (apiserver.Source, bool) {
	p, ok := op.index.Place(kind, name)
	return apiserver.Source(p), ok
}

// Info describes the operator.
func (op *operator) Info(context.Context) apiserver.HostInfo {
	i := apiserver.HostInfo{
		Version: version, PID: os.Getpid(), State: op.State, Manifests: op.Manifests, Run: op.Run, Started: op.started,
		Capabilities: op.capabilities(), Warnings: op.warnings, Conditions: op.pressure(),
	}
	if underGuard() {
		i.GuardianPID = os.Getppid()
	}
	return i
}

// Shutdown begins to stop all workloads and then the operator.
func (op *operator) Shutdown(context.Context) error { return op.stopEverything() }

// logReader gives logs to the API in its own words.
type logReader struct{ logs *logs.Logs }

func (l logReader) Read(ctx context.Context, instance string, o apiserver.LogOptions, line func([]byte) error) error {
	err := l.logs.Read(ctx, instance, logs.ReadOptions{
		Follow: o.Follow, Tail: o.Tail, New: o.Tail == 0, Since: o.Since, Previous: o.Previous, Timestamps: o.Timestamps,
		From: o.From, Begin: o.Begin,
	}, line)
	if errors.Is(err, logs.ErrNoPrevious) {
		return apiserver.ErrNoPrevious
	}
	return err
}
