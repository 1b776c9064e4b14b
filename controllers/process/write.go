package process

import (
	"bytes"
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// write stores what changed, all of it as one revision, and then tells the events that follow and those of what was done: an operator that
// is killed before the status has what it did does it anew, or finds it done, and the next one tells of it. Nothing changed, nothing written.
func (r *Reconciler) write(ctx context.Context, m *memory, o *observed, d decision) error {
	changed, kept := changedInstances(o, d), m.keptBlob(o)
	keep := !bytes.Equal(kept, m.kept)
	status := o.Process != nil && !sameProcessStatus(&o.Process.Status, &d.Status)
	if len(changed) == 0 && !status && !keep {
		r.tell(m, o)
		return nil
	}
	_, err := r.client.Txn(ctx, func(t *reconcile.ClientTx) error {
		for _, out := range changed {
			if err := writeInstance(t, o, out); err != nil {
				return err
			}
		}
		if keep {
			storeKept(t, o.Name, kept)
		}
		if !status {
			return nil
		}
		_, err := t.UpdateStatus(&specs.Process{ObjectMeta: metav1.ObjectMeta{Name: o.Name, UID: o.Process.UID}, Status: d.Status})
		if errors.Is(err, store.ErrNotFound) {
			return nil // it goes just now, and that is told
		}
		return err
	})
	if err != nil {
		return err
	}
	m.kept = kept
	r.tell(m, o)
	for _, out := range changed {
		for _, e := range transitions(out.ID, storedStatus(o, out.ID), &out.Status) {
			if !out.Remove {
				r.event(o, e.kind, e.reason, e.message)
			}
		}
	}
	return nil
}

// changedInstances are those whose stored object is not what it should be.
func changedInstances(o *observed, d decision) (changed []*instanceDecision) {
	for i := range d.Instances {
		out := &d.Instances[i]
		was := storedStatus(o, out.ID)
		if out.Remove && was == nil || !out.Remove && was != nil && sameInstanceStatus(was, &out.Status) {
			continue
		}
		changed = append(changed, out)
	}
	return changed
}

func storedStatus(o *observed, id string) *specs.InstanceStatus {
	for i := range o.Instances {
		if o.Instances[i].ID == id {
			return o.Instances[i].Status
		}
	}
	return nil
}

func writeInstance(t *reconcile.ClientTx, o *observed, out *instanceDecision) error {
	k := store.Key{Kind: "Instance", Name: out.ID}
	_, there := t.Get(k)
	switch {
	case out.Remove && there:
		return t.Delete(k)
	case out.Remove:
		return nil
	case there:
		_, err := t.UpdateStatus(&specs.Instance{ObjectMeta: metav1.ObjectMeta{Name: out.ID}, Status: out.Status})
		return err
	}
	_, err := t.Create(newInstance(o, out))
	return err
}

// newInstance is the object of an instance.
func newInstance(o *observed, out *instanceDecision) *specs.Instance {
	i := &specs.Instance{
		ObjectMeta: metav1.ObjectMeta{Name: out.ID, Labels: map[string]string{specs.LabelProcess: o.Name, specs.LabelTemplateHash: out.Hash}},
		Spec:       specs.InstanceSpec{Process: o.Name, TemplateHash: out.Hash, Ordinal: out.Ordinal},
		Status:     out.Status,
	}
	if p := o.Process; p != nil {
		yes := true
		i.OwnerReferences = []metav1.OwnerReference{{APIVersion: specs.KindOf("Process").APIVersion(), Kind: "Process", Name: p.Name, UID: p.UID, Controller: &yes}}
	}
	return i
}

func sameProcessStatus(a, b *specs.ProcessStatus) bool {
	return a.ObservedGeneration == b.ObservedGeneration && a.Replicas == b.Replicas && a.UpdatedReplicas == b.UpdatedReplicas &&
		a.ReadyReplicas == b.ReadyReplicas && a.TemplateHash == b.TemplateHash && a.Restarts == b.Restarts && sameConditions(a.Conditions, b.Conditions)
}

func sameInstanceStatus(a, b *specs.InstanceStatus) bool {
	if a.Ready != b.Ready || a.Started != b.Started || a.RestartCount != b.RestartCount || a.PID != b.PID || a.Revision != b.Revision || a.Version != b.Version {
		return false
	}
	if !samePorts(a.Ports, b.Ports) || len(a.Endpoints) != len(b.Endpoints) || !sameExecutable(a.Executable, b.Executable) {
		return false
	}
	return sameState(&a.State, &b.State) && sameState(&a.LastState, &b.LastState) && sameConditions(a.Conditions, b.Conditions)
}

func sameExecutable(a, b *specs.Executable) bool { return a == b || a != nil && b != nil && *a == *b }

func sameState(a, b *specs.InstanceState) bool {
	return sameWaiting(a.Waiting, b.Waiting) && sameEnded(a.Terminated, b.Terminated) &&
		(a.Running == nil) == (b.Running == nil) && (a.Running == nil || a.Running.StartedAt.Equal(&b.Running.StartedAt)) &&
		(a.Stopping == nil) == (b.Stopping == nil) && (a.Stopping == nil || a.Stopping.Reason == b.Stopping.Reason && a.Stopping.Since.Equal(&b.Stopping.Since))
}

func sameWaiting(a, b *specs.StateWaiting) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Reason == b.Reason && a.Message == b.Message && a.Until.Equal(b.Until)
}

func sameEnded(a, b *specs.StateTerminated) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a == b || a.Reason == b.Reason && a.Message == b.Message && a.ExitCode == b.ExitCode && a.Signal == b.Signal &&
		a.StartedAt.Equal(&b.StartedAt) && a.FinishedAt.Equal(&b.FinishedAt)
}
