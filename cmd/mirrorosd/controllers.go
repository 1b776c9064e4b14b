package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/api/meta"

	"mirroros.dev/mirroros/controllers/budget"
	"mirroros.dev/mirroros/controllers/check"
	"mirroros.dev/mirroros/controllers/process"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
	"mirroros.dev/mirroros/controllers/rollout"
	"mirroros.dev/mirroros/controllers/stack"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// reconcilers makes one for each kind. A new kind is a line here and a line in controllers.
func (op *operator) reconcilers() {
	op.processes = process.New(process.Options{
		Client:   op.client,
		Recorder: op.events.As("process-controller"),
		Runtime:  op.runner,
		Logs:     op.logs,
		Gate:     op.gates,
		StateDir: op.State,
		Programs: op.programs(),
		Sandbox:  op.sandbox,
		Dir:      directory(op.index),
		Revision: op.revision,
		Down:     op.ending,
		Log:      op.log.WithName("process"),
	})
	op.budgets = budget.New(budget.Options{
		Client:   op.client,
		Recorder: op.events.As("budget-controller"),
		Audit:    op.audit,
		Held:     func() budget.Held { return budget.Held(op.gates.Budgets()) },
		Running:  op.line.Running,
		StateDir: op.State,
		Log:      op.log.WithName("budget"),
	})
	op.checks = check.New(check.Options{
		Client:   op.client,
		Recorder: op.events.As("check-controller"),
		Ask:      op.ask,
		Gates:    op.gates,
		Log:      op.log.WithName("check"),
	})
	op.stacks = stack.New(stack.Options{
		Client:  op.client,
		Files:   op.source,
		Root:    op.Manifests,
		Index:   op.index,
		Event:   op.events.As("stack-controller").Event,
		Planner: op.plan,
		Audit:   func(rec *audit.Record) error { return op.audit.Write(rec, true) },
		Moved:   op.moved,
		Memory:  hostMemory(),
		Boot:    thisLife().Boot,
		Log:     op.log.WithName("stack"),
	})
	op.rollouts = rollout.New(rollout.Options{
		Client:  op.client,
		Applier: op.stacks,
		Event:   op.events.As("rollout-controller").Event,
		Copies:  op.failedCopies,
	})
}

func (op *operator) controllers() []reconcile.Controller {
	return append(op.gates.Controllers(),
		op.stacks.Controller(),
		op.rollouts.Controller(),
		op.processes.Controller(),
		op.budgets.Controller(),
		op.checks.Controller(),
	)
}

// kinds that take part in planning.
func (op *operator) kinds() []plan.Kind {
	return []plan.Kind{op.processes.Planner()}
}

// plan says what changed objects lead to on the host, by the controllers' own decisions.
func (op *operator) plan(ctx context.Context, changed []plan.Changed) ([]plan.Step, error) {
	return plan.Run(ctx, op.kinds(), plan.Live(op.store), changed)
}

// directory answers where a process' relative paths start: its file's directory, or the one that it was applied from.
func directory(index *admit.Index) func(*specs.Process) string {
	return func(p *specs.Process) string {
		if d := index.Dir("Process", p.Name); d != "" {
			return d
		}
		return p.Annotations[specs.AnnotationDirectory]
	}
}

// programs is the directory of this program and its companions, so that manifests can name them without a path.
func (op *operator) programs() string {
	self, err := guard.Self()
	if err != nil {
		return ""
	}
	return filepath.Dir(self)
}

// revision that is in force of the stack that a process belongs to.
func (op *operator) revision(p *specs.Process) string {
	s, ok := reconcile.Get[*specs.Stack](op.client, p.Labels[specs.LabelStack])
	if !ok || s.Status.Live == nil {
		return ""
	}
	return s.Status.Live.Digest
}

// failedCopies is what is kept of the instances of a process that are not ready.
func (op *operator) failedCopies(kind, name string) (out []specs.FailedCopy) {
	for _, i := range reconcile.List[*specs.Instance](op.client) {
		if kind != "Process" || i.Spec.Process != name || i.Status.Ready || len(out) == maxFailedCopies {
			continue
		}
		c := specs.FailedCopy{Name: i.Name, LastExit: i.Status.LastExit(), Message: i.Status.Word()}
		if w := i.Status.State.Waiting; w != nil {
			c.Message = w.Message
		} else if ready := meta.FindStatusCondition(i.Status.Conditions, specs.ConditionReady); ready != nil {
			c.Message = ready.Message
		}
		out = append(out, c)
	}
	return out
}

// maxFailedCopies of one process that are kept.
const maxFailedCopies = 3

// moved looks again at an object whose file is in another directory now.
func (op *operator) moved(k store.Key) {
	if op.manager != nil {
		op.manager.Enqueue(k.Kind, k, queue.Edit)
	}
}

// parts are what runs as long as the operator does.
func (op *operator) parts() []part {
	op.manager = reconcile.NewManager(reconcile.ManagerOptions{Client: op.client, Log: op.log, Rest: tidy(op.store.LetGo)})
	for _, c := range op.controllers() {
		op.manager.Add(c)
	}
	return []part{
		{"source", op.source.Run},
		{"logs", op.logs.Run},
		{"controllers", op.manager.Run},
		{"line to the gates", op.line.Run},
		{"guardian", op.guarded},
	}
}

// guarded watches the guardian. When it dies this process becomes the new one; when that cannot be, the operator goes on without.
// In a systemd unit the guardian is the main process, whose death makes systemd start the unit again: there the operator makes room.
func (op *operator) guarded(ctx context.Context) error {
	if os.Getenv("INVOCATION_ID") != "" && inService() {
		if err := guard.Watch(ctx); err == nil && ctx.Err() == nil {
			return errors.New("the guardian died; the service manager starts both again")
		}
		return nil
	}
	err := watchGuard(ctx, op.State, op.sockets)
	if ctx.Err() != nil {
		return nil
	}
	op.log.Error(err, "The guardian died and there is no new one: a crash of the operator would now lose exit codes")
	<-ctx.Done()
	return nil
}
