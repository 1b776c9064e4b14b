package stack

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// failedContent is a document that failed: it is not put in force again by itself.
type failedContent struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Sum of its text, and the revision that it failed in.
	Sum      []byte `json:"sum"`
	Revision int64  `json:"revision"`
	Message  string `json:"message"`
}

func (f *failedContent) key() store.Key { return store.Key{Kind: f.Kind, Name: f.Name} }

// failures are the failed contents that a set has, by key.
func (c *receipt) failures(set *admit.Set) map[store.Key]*failedContent {
	var out map[store.Key]*failedContent
	for i := range c.Failed {
		f := &c.Failed[i]
		if e := set.Get(f.key()); e != nil && bytes.Equal(e.Sum[:], f.Sum) {
			if out == nil {
				out = map[store.Key]*failedContent{}
			}
			out[f.key()] = f
		}
	}
	return out
}

// forgetFailed drops the marks of contents that the files do not hold any more.
func (c *receipt) forgetFailed(disk *admit.Set) {
	still := c.failures(disk)
	c.Failed = slices.DeleteFunc(slices.Clone(c.Failed), func(f failedContent) bool { return still[f.key()] == nil })
}

// RollBack puts back the revision that was in force before a rollout, since objects of it failed: in the reverse order of its waves, what it
// made last. What failed is held from then on, and what the files hold now as a whole until they change. It does nothing when the rollout
// is not as whoever calls has seen it. A *FaultsError tells what keeps the revision from being put back; what serves is left then.
func (r *Reconciler) RollBack(ctx context.Context, stack, rollout string, inForce int32, failed []specs.FailedObject) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s := r.stacks[stack]
	if s == nil || s.rec.Roll == nil || s.rec.Roll.Failure != nil || s.rec.Roll.Name != rollout || s.rec.Roll.InForce != inForce {
		return nil
	}
	o, err := r.stackObject(stack)
	if err != nil {
		return err
	}
	if o.Spec.Suspend {
		return nil // its files are not followed, and neither is what became of them
	}
	if err := r.finishTarget(ctx, s, o); err != nil {
		return err
	}
	if err := r.rollBack(ctx, s, o, failed); err != nil {
		return err
	}
	if s.disk != nil && r.snap != nil {
		s.decided = decide(r.observe(s, o, s.disk, act{}))
		_, err = r.report(ctx, s, nil)
	}
	return err
}

func (r *Reconciler) rollBack(ctx context.Context, s *state, o *specs.Stack, failed []specs.FailedObject) error {
	l := *s.rec.Roll
	rev := *l.From
	to := r.revision(s.name, &rev)
	if to == nil {
		return fmt.Errorf("cannot read revision %d of stack/%s back", rev.Number, s.name)
	}
	if faults := admit.Admit(to, s.live, r.world(s)); len(faults) > 0 {
		return &FaultsError{faults}
	}
	obs := r.observe(s, o, to, act{apply: true, agreed: true, now: true}) // what goes was made by what failed
	obs.refused, obs.git, obs.unreadable, obs.removed = false, false, false, false
	d := decide(obs)
	if d.target == nil || d.target.Digest() != rev.Digest {
		return &BlockedError{Message: "objects of it belong to another stack now"}
	}
	ops, faults, err := r.ops(s, to, d.fates)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return &FaultsError{faults}
	}
	reversed(ops)
	marks := slices.Clone(s.rec.Failed)
	was := r.revision(s.name, &l.To) // what waits yet is only there
	for _, f := range failed {
		k := store.Key{Kind: f.Kind, Name: f.Name}
		if e := was.Get(k); e != nil {
			marks = slices.DeleteFunc(marks, func(m failedContent) bool { return m.key() == k })
			marks = append(marks, failedContent{f.Kind, f.Name, slices.Clone(e.Sum[:]), l.To.Number, f.Message})
		}
	}
	l.Failure = &specs.RolloutFailure{Time: metav1.NewTime(r.o.Now()).Rfc3339Copy(), Objects: failed}
	rev.Time, rev.Message, rev.By = l.Failure.Time, counted(ops), ""
	cause := causeOf(failed)
	var h *held
	if s.disk != nil && s.disk.Digest() != rev.Digest {
		h = &held{Digest: s.disk.Digest(), From: l.To.Number, To: rev.Number, Time: rev.Time.Time, Cause: cause}
	}
	note := func(c *receipt) {
		if i := c.at(l.To.Digest); i >= 0 {
			c.Kept = slices.Clone(c.Kept)
			c.Kept[i].Outcome, c.Kept[i].Until = l.failed(), rev.Time
		}
		c.Roll, c.Failed, c.Held = &l, marks, h
	}
	if err := r.commit(ctx, s, change{to: to, rev: &rev, ops: ops, note: note}); err != nil {
		return err
	}
	r.o.Event(o, specs.EventWarning, specs.ReasonRolledBack, fmt.Sprintf("revision %d (%s) failed: %s; revision %d (%s) is in force again",
		l.To.Number, where(&l.To), cause, rev.Number, where(&rev)))
	r.tellApplied(o, &rev, ops)
	return nil
}

// failed says what became of its revision.
func (l *roll) failed() string {
	return fmt.Sprintf("failed, revision %d put back: %s", l.From.Number, causeOf(l.Failure.Objects))
}

// causeOf says in a line what failed.
func causeOf(failed []specs.FailedObject) string {
	var out []string
	for _, f := range failed {
		out = append(out, strings.ToLower(f.Kind)+"/"+f.Name+": "+f.Message)
	}
	if len(out) > 2 {
		out = append(out[:2], fmt.Sprintf("%d more", len(out)-2))
	}
	return strings.Join(out, "; ")
}

// reversed turns the waves of writes around; what goes is last.
func reversed(ops []op) {
	last := lastWave(ops)
	for i := range ops {
		o := &ops[i]
		if o.change == plan.Delete {
			o.wave = last + 1
		} else {
			o.wave = last - o.wave
		}
	}
	slices.SortStableFunc(ops, func(a, b op) int { return a.wave - b.wave })
	seen := -1
	for i, n := 0, -1; i < len(ops); i++ { // without gaps
		if ops[i].wave != seen {
			seen = ops[i].wave
			n++
		}
		ops[i].wave = n
	}
}

// withholdFailed keeps failed contents back, and with them what refers to an object that is not in force because of that.
func (d *decision) withholdFailed(o observed, held map[store.Key]*admit.Entry) {
	for again := len(o.failed) > 0; again; {
		again = false
		for _, c := range o.changes {
			if _, done := held[c.Key]; done || c.New == nil {
				continue
			}
			missing := slices.ContainsFunc(c.New.Refs, func(r specs.Ref) bool {
				e, is := held[store.Key{Kind: r.Kind, Name: r.Name}]
				return is && e == nil
			})
			if o.failed[c.Key] || missing {
				held[c.Key], again = c.Old, true
				d.stays = append(d.stays, c.Key)
			}
		}
	}
}

// degraded says which objects stay as they were, and why.
func (r *Reconciler) degraded(s *state) metav1.Condition {
	if len(s.decided.stays) == 0 {
		return metav1.Condition{}
	}
	rest := ""
	if s.decided.unfit {
		rest = ", and so does the rest, which does not go without"
	}
	var parts []string
	for k, f := range s.rec.failures(s.disk) {
		parts = append(parts, fmt.Sprintf("%s of revision %d failed (%s)", k, f.Revision, f.Message))
	}
	slices.Sort(parts)
	return condition(true, specs.ReasonRolledBack, fmt.Sprintf("%s; %s stays as before%s. Edit it, or try it again with `mirrorctl rollout retry stack/%s`",
		strings.Join(parts, "; "), keyNames(s.decided.stays), rest, s.name))
}
