package stack

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// Steer acts on the rollout that is under way: pause stops its waves and its deadlines, resume lets them go on, abort puts the revision before
// back and holds what it changed, as if it had failed, restart puts it back and begins again. It answers what was done.
func (r *Reconciler) Steer(ctx context.Context, name string, action specs.RolloutAction, by string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err != nil {
		return "", err
	}
	if err := r.finishTarget(ctx, s, o); err != nil {
		return "", err
	}
	if !r.underWay(s) {
		return "", &BlockedError{Message: fmt.Sprintf("nothing of stack/%s is being rolled out", name)}
	}
	l := s.rec.Roll
	text := fmt.Sprintf("%s: %s revision %d", by, action, l.To.Number)
	pause := action == specs.RolloutPause
	switch {
	case action == specs.RolloutAbort:
		if err := r.record(name, specs.ReasonRolledBack, text); err != nil {
			return "", err
		}
		if err := r.rollBack(ctx, s, o, l.all("aborted by "+by)); err != nil {
			return "", err
		}
		s.decided = decide(r.observe(s, o, s.disk, act{}))
		text = fmt.Sprintf("went back to revision %d; what revision %d changed is held until it is edited, or `mirrorctl rollout retry stack/%s`", l.From.Number, l.To.Number, name)
	case action == specs.RolloutRestart:
		if err := r.record(name, specs.ReasonRollingOut, text); err != nil {
			return "", err
		}
		if done, err := r.rewind(ctx, s, o); err != nil || !done {
			return "", errors.Join(err, fmt.Errorf("cannot put revision %d back", l.From.Number))
		}
		s.decided = decide(r.observe(s, o, s.disk, act{}))
		s.decided.target, s.decided.waits = nil, specs.ReasonRollingOut
		text = fmt.Sprintf("the rollout of revision %d begins again from revision %d", l.To.Number, l.From.Number)
	case l.Paused == pause:
		return fmt.Sprintf("the rollout of revision %d %s already", l.To.Number, paused(pause)), nil
	default:
		if err := r.record(name, specs.ReasonRollingOut, text); err != nil {
			return "", err
		}
		next := *l
		next.Paused = pause
		if err := r.keep(ctx, s, func(c *receipt) { c.Roll = &next }, nil); err != nil {
			return "", err
		}
		r.o.Event(o, specs.EventNormal, specs.ReasonRollingOut, text)
		text = fmt.Sprintf("the rollout of revision %d %s", l.To.Number, paused(pause))
	}
	_, err = r.report(ctx, s, nil)
	return text, err
}

func paused(is bool) string {
	if is {
		return "is paused"
	}
	return "goes on"
}

// underWay tells whether a rollout is not at its end: waves are to be written, or what is in force is not judged yet.
func (r *Reconciler) underWay(s *state) bool {
	l := s.rec.Roll
	if l == nil || l.Failure != nil {
		return false
	}
	o, ok := reconcile.Get[*specs.Rollout](r.o.Client, l.Name)
	return s.rec.staged() || !ok || !o.Spec.StartedAt.Equal(&l.StartedAt) || o.Status.CompletedAt == nil
}

// undecided tells whether a rollout is under way of which nobody knows yet how it ends. One that is held since something failed has been
// judged: what is changed beside it stands by itself.
func (r *Reconciler) undecided(s *state) bool {
	if !r.underWay(s) {
		return false
	}
	o, ok := reconcile.Get[*specs.Rollout](r.o.Client, s.rec.Roll.Name)
	return s.rec.staged() || !ok || !meta.IsStatusConditionTrue(o.Status.Conditions, specs.ConditionStalled)
}

// all objects of a rollout that it makes or changes, as failed.
func (l *roll) all(message string) (out []specs.FailedObject) {
	for _, w := range l.Waves {
		for _, o := range w.Objects {
			if o.Change != specs.RolloutDelete {
				out = append(out, specs.FailedObject{Kind: o.Kind, Name: o.Name, Message: message})
			}
		}
	}
	return out
}
