package process

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// calendarLook is how often a calendar time is looked at anew: timers stand still while the host sleeps, and do not follow a clock that is set.
const calendarLook = time.Minute

// suspendedFor is how long a suspended process stays so by its resume-at: for ever without one, and not at all when it is past.
func suspendedFor(p *specs.Process, now time.Time) (left time.Duration, forever bool) {
	at, err := time.Parse(time.RFC3339Nano, p.Annotations[specs.AnnotationResumeAt])
	if err != nil {
		return 0, true
	}
	return max(0, at.Sub(now.Round(0))), false // a calendar time: wall against wall
}

// endSuspend takes a suspend out of the object when its time has come, as a resume by hand does: what everybody reads of the process must
// not go on to say that it is suspended.
func (r *Reconciler) endSuspend(ctx context.Context, o *observed) error {
	over := func(p *specs.Process) bool {
		if !p.Spec.Suspend {
			return false
		}
		left, forever := suspendedFor(p, o.Now)
		return !forever && left == 0
	}
	if o.Process == nil || !over(o.Process) {
		return nil
	}
	_, err := r.client.Txn(ctx, func(t *reconcile.ClientTx) error {
		live, ok := t.Get(reconcile.KeyOf(o.Process))
		p, same := live.(*specs.Process)
		if !ok || !same || !over(p) {
			return nil
		}
		n := specs.Copy(p)
		n.Spec.Suspend = false
		n.Annotations = maps.Clone(n.Annotations)
		delete(n.Annotations, specs.AnnotationResumeAt)
		delete(n.Annotations, specs.AnnotationSuspendReason)
		_, err := t.Update(n)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("cannot end the suspend of process %q: %w", o.Name, err)
	}
	r.event(o, specs.EventNormal, specs.ReasonResumed, "the suspend ended")
	return nil
}
