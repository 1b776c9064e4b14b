package main

import (
	"context"
	"fmt"
	"path/filepath"

	"mirroros.dev/mirroros/controllers/gate"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/controllers/gate/sockets"
	"mirroros.dev/mirroros/controllers/process/runner/guard"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/specs"
)

// openGates opens what the gates need of the operator: the listening sockets and the line to the gates.
func (op *operator) openGates() (err error) {
	op.audit = &auditLog{state: op.State, log: op.log.WithName("audit")}
	o := sockets.Options{Log: op.log.WithName("sockets"), Changed: func() { op.gates.SocketsChanged() }, Pass: func(name string) { op.line.Pass(name) }}
	keeper, kept, err := guard.OpenKeeper()
	if err == nil {
		o.Keeper, o.Kept = keeper, kept
	} else {
		op.warnings = append(op.warnings, err.Error()+": while the operator is away, clients of a gate that starts again are refused")
	}
	op.sockets = sockets.Open(o)
	op.line, err = control.Listen(control.ServerOptions{
		Path:    filepath.Join(op.Run, "gate.sock"),
		Allow:   op.isGate,
		Sockets: op.sockets,
		Changed: func() { op.gates.Changed(); op.budgets.Changed() },
		Count:   func(process string, c control.Counts) { op.gates.Count(process, c); op.budgets.Count(process, c) },
		Gone:    func(process string) { op.gates.Gone(process); op.budgets.Gone(process) },
		Log:     op.log.WithName("gates"),
	})
	if err != nil {
		return err
	}
	op.gates, err = gate.New(gate.Options{
		Client:    op.client,
		Recorder:  op.events.As("gate-controller"),
		Sockets:   op.sockets,
		Line:      op.line,
		Audit:     op.audit,
		StateDir:  op.State,
		RunDir:    op.Run,
		Workloads: op.workloads,
		Dir:       func(kind, name string) string { return op.index.Dir(kind, name) },
		Place:     op.placeText,
		Find:      op.findRequest,
		Budgeted:  func() { op.budgets.Changed() },
		Log:       op.log.WithName("gate"),
	})
	return err
}

// isGate tells whether a process is one of the system's own gates.
func (op *operator) isGate(pid int) error {
	id, ok := op.isWorkload(pid)
	if ok {
		if ri, found := op.runner.Get(id); found && ri.Owner == specs.SystemProcess {
			return nil
		}
	}
	return fmt.Errorf("process %d is no instance of process/%s", pid, specs.SystemProcess)
}

// workloads are the runs that a gate may come to know.
func (op *operator) workloads() []gate.Workload {
	parent := filepath.Base(op.runner.Capabilities().CgroupV2)
	var out []gate.Workload
	for _, i := range op.runner.List() {
		if i.Exit != nil || i.PID == 0 {
			continue
		}
		w := gate.Workload{Instance: i.ID, Process: i.Owner, PID: i.PID, Inode: i.Inode, CgroupID: i.Cgroup}
		if op.runner.Capabilities().CgroupV2 != "" {
			w.Cgroup = fmt.Sprintf("%s/%s.%d", parent, i.ID, i.Attempt)
		}
		out = append(out, w)
	}
	return out
}

// placeText is where an object is declared, as gate.yaml:88.
func (op *operator) placeText(kind, name string) string {
	if p, ok := op.index.Place(kind, name); ok {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return ""
}

// findRequest looks a request up in the audit log.
func (op *operator) findRequest(ctx context.Context, id string) (decision, outcome *audit.Record, err error) {
	err = audit.Query(op.audit.dir(), audit.Filter{Requests: []string{id}}, func(r *audit.Record) error {
		n := *r
		switch r.Kind {
		case audit.KindDecision:
			decision = &n
		case audit.KindOutcome:
			outcome = &n
		}
		return ctx.Err()
	})
	return decision, outcome, err
}
