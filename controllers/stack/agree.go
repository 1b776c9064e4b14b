package stack

import (
	"context"
	"fmt"
	"time"

	"mirroros.dev/mirroros/specs"
)

// ApplyOptions of Apply.
type ApplyOptions struct {
	// Plan that is agreed to, by its digest; empty for whatever is on disk.
	Plan string
	// Prune agrees to the removals of the plan. It needs Plan.
	Prune bool
	// By whom it is asked for.
	By string
	// ConfirmWithin goes back unless somebody confirms within this time; 0 for not at all. It is refused where nothing is applied.
	ConfirmWithin time.Duration
}

// Applied is what Apply did.
type Applied struct {
	// Revision in force.
	Revision string `json:"revision"`
	// Message says what was done.
	Message string `json:"message"`
}

// Apply puts the files of a stack in force, where that waits for somebody's word. With a plan it acts only when planning again gives the
// same plan; a *ChangedError says what changed. Without one, removals still wait until the files are quiet, and stop at the prune limit.
func (r *Reconciler) Apply(ctx context.Context, name string, a ApplyOptions) (Applied, error) {
	if a.Prune && a.Plan == "" {
		return Applied{}, &BlockedError{Message: "cannot prune without a plan: name the one that `mirrorctl plan` shows, with --plan"}
	}
	for {
		done, wait, err := r.apply(ctx, name, a)
		if err != nil || wait == 0 {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// apply is one try. It answers how long to wait before the next, 0 when it is done.
func (r *Reconciler) apply(ctx context.Context, name string, a ApplyOptions) (Applied, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err != nil {
		return Applied{}, 0, err
	}
	if err := r.mayApply(s, o); err != nil {
		return Applied{}, 0, err
	}
	obs := r.observe(s, o, s.disk, act{apply: true, now: true})
	d := decide(obs)
	if a.Plan != "" {
		if b := r.bind(s, s.disk, d.fates); b.digest() != a.Plan {
			return Applied{}, 0, &ChangedError{Message: fmt.Sprintf("plan %s does not fit any more: %s. The plan now is %s: look at it with `mirrorctl plan %s`", a.Plan, r.plans.whatChanged(a.Plan, b), r.plans.add(b), name)}
		}
	}
	if !obs.manual && !s.removed && (!d.over || !a.Prune) && s.decided.waits == "" {
		if s.live.Digest() == s.disk.Digest() {
			if a.ConfirmWithin > 0 {
				return Applied{}, 0, &BlockedError{Message: fmt.Sprintf("stack/%s follows the files, and what they hold is in force: there is nothing to confirm", name)}
			}
			return Applied{s.live.Digest(), "follows the files; nothing to apply"}, 0, nil
		}
	}
	before := s.live.Digest()
	if a.ConfirmWithin > 0 && (s.rec.Live == nil || d.target == nil) {
		return Applied{}, 0, &BlockedError{Message: fmt.Sprintf("stack/%s has nothing to apply that could be gone back from, so there is nothing to confirm", name)}
	}
	if _, err := r.sync(ctx, s, act{apply: true, agreed: a.Prune, now: a.Plan != "", by: a.By, confirm: a.ConfirmWithin}); err != nil {
		return Applied{}, 0, err
	}
	if r.stacks[name] != s {
		return Applied{Message: "is removed"}, 0, nil
	}
	if _, err := r.report(ctx, s, nil); err != nil {
		return Applied{}, 0, err
	}
	if s.refused {
		return Applied{}, 0, &FaultsError{s.faults}
	}
	if s.decided.waits == specs.ReasonWaitingForQuiet {
		return Applied{}, max(s.decided.requeue, time.Millisecond), nil
	}
	return r.applied(s, before), 0, nil
}

// mayApply tells why nothing can be applied, if so.
func (r *Reconciler) mayApply(s *state, o *specs.Stack) error {
	switch {
	case s.refused:
		return &FaultsError{s.faults}
	case o.Spec.Suspend:
		return &BlockedError{Message: fmt.Sprintf("stack/%s is suspended: `mirrorctl resume stack/%s` first", s.name, s.name)}
	case r.snap.Hold != nil:
		return &BlockedError{Message: "git is at work in the manifest directory: " + r.snap.Hold.Path + " is there; remove it if no git runs"}
	}
	return nil
}

// applied says what came of it.
func (r *Reconciler) applied(s *state, before string) Applied {
	out := Applied{Revision: s.live.Digest()}
	if out.Message = "nothing to apply"; out.Revision != before && s.rec.Live != nil {
		out.Message = s.rec.Live.Message
	}
	if s.decided.over {
		if st, err := r.stackObject(s.name); err == nil && st.Status.Pending != nil {
			out.Message += fmt.Sprintf("; %d objects are not removed without your word: %s", st.Status.Pending.Delete, st.Status.Pending.Command)
		}
	}
	return out
}
