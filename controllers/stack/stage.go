package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// A change of several waves is put in force in stages. What is in force after each is the revision with the objects of later waves held as
// they were: a set like any other, so a change that is interrupted, replaced or gone back from in the middle needs no rules of its own.
// When the next stage is due is not decided here; who knows calls Advance.

// roll is the change of a Stack that is on its way, or that went last.
type roll struct {
	specs.RolloutSpec
	// Name of its Rollout.
	Name string `json:"name"`
	// Boot of the host in which its last wave was written.
	Boot string `json:"boot,omitempty"`
	// Failure is why From was put back; nil when it was not.
	Failure *specs.RolloutFailure `json:"failure,omitempty"`
}

// staged tells whether waves of a change are still to be written.
func (c *receipt) staged() bool {
	return c.Roll != nil && c.Roll.Failure == nil && int(c.Roll.InForce) < len(c.Roll.Waves)
}

// whole is the last revision that was in force as a whole.
func (c *receipt) whole() *specs.Revision {
	if c.Whole != nil {
		return c.Whole
	}
	return c.Live
}

// newest is the revision that is in force, or on its way to be.
func (c *receipt) newest() *specs.Revision {
	if c.staged() {
		return &c.Roll.To
	}
	return c.Live
}

// partly tells whether a content is one of those on the way to the rollout's revision.
func (c *receipt) partly(digest string) bool {
	return c.Roll != nil && c.Roll.Failure == nil && digest != c.Roll.To.Digest
}

// stage answers the set that may be put in force now on the way to a target, and how many waves of the writes that takes. A wave goes with
// those before it when it only makes new objects, which breaks nothing that runs, or when what is in force would not fit together without.
func (r *Reconciler) stage(s *state, target *admit.Set, ops []op) (*admit.Set, int) {
	last := lastWave(ops)
	for n := 1; n <= last; n++ {
		if onlyCreates(ops, n) {
			continue
		}
		held := map[store.Key]*admit.Entry{}
		for i := range ops {
			if ops[i].wave >= n && ops[i].change != plan.None {
				held[ops[i].key] = s.live.Get(ops[i].key)
			}
		}
		set := target.With(held)
		if !portsCross(ops, n, held) && len(admit.Admit(set, s.live, r.world(s))) == 0 {
			return set, n
		}
	}
	return target, last + 1
}

func lastWave(ops []op) (last int) {
	for i := range ops {
		last = max(last, ops[i].wave)
	}
	return last
}

func onlyCreates(ops []op, wave int) bool {
	return !slices.ContainsFunc(ops, func(o op) bool { return o.wave == wave && o.change != plan.Create && o.change != plan.None })
}

// portsCross tells whether what is written before wave n fixes a port of what is held.
func portsCross(ops []op, n int, held map[store.Key]*admit.Entry) bool {
	var taken []specs.FixedPort
	for _, e := range held {
		if e != nil {
			taken = append(taken, e.Ports...)
		}
	}
	return len(taken) > 0 && slices.ContainsFunc(ops, func(o op) bool { return o.wave < n && o.entry != nil && clash(o.entry.Ports, taken) })
}

// waves lists what the writes change, wave by wave, seen from before the rollout that they take over from: before is what that has in force.
func waves(ops []op, before map[store.Key]specs.RolloutObject) []specs.RolloutWave {
	out := make([]specs.RolloutWave, lastWave(ops)+1)
	for i := range ops {
		o := &ops[i]
		w := specs.RolloutObject{Kind: o.key.Kind, Name: o.key.Name, Change: specs.RolloutUpdate, WasReady: o.old != nil && isReady(o.old)}
		switch {
		case o.change == plan.Create:
			w.Change = specs.RolloutCreate
		case o.change == plan.Delete:
			w.Change = specs.RolloutDelete
		}
		if was, ok := before[o.key]; ok && o.change != plan.Delete {
			w.Change, w.WasReady = was.Change, was.WasReady || w.WasReady
		}
		out[o.wave].Objects = append(out[o.wave].Objects, w)
	}
	return out
}

// rolling is the rollout that a change is, or goes on with: n waves of its writes are put in force now. The first content of a Stack and a
// change that writes nothing are none.
func (r *Reconciler) rolling(s *state, rev *specs.Revision, ops []op, n int) *roll {
	old := s.rec.Roll
	switch {
	case s.rec.staged() && old.To.Digest == rev.Digest:
		next := *old
		next.Waves = slices.Clone(old.Waves[:old.InForce])
		if len(ops) > 0 {
			next.Waves = append(next.Waves, waves(ops, nil)...)
			next.InForce += int32(n)
		}
		next.Boot = r.o.Boot
		return &next
	case s.rec.Live == nil || len(ops) == 0:
		return nil
	}
	from := s.rec.whole()
	if r.undecided(s) {
		from = old.From // what came between was never known to be good
	}
	return &roll{Boot: r.o.Boot, RolloutSpec: specs.RolloutSpec{Stack: s.name, From: from, To: *rev, Waves: waves(ops, r.unjudged(s)), InForce: int32(n),
		StartedAt: metav1.NewMicroTime(r.o.Now())}}
}

// note puts the rollout into a receipt, and says of one that it replaces what became of it.
func (l *roll) note(c *receipt) {
	if l == nil {
		c.leave(0)
		c.Roll = nil
		return
	}
	c.number(&l.To)
	c.leave(l.To.Number)
	l.Name = fmt.Sprintf("%s-%d", l.Stack, l.To.Number)
	c.Roll = l
}

// leave says of the revision that is on its way that another one is put in force instead; 0 for one without a number yet.
func (c *receipt) leave(number int64) {
	if !c.staged() || c.Roll.To.Number == number {
		return
	}
	if i := c.at(c.Roll.To.Digest); i >= 0 {
		c.Kept = slices.Clone(c.Kept)
		c.Kept[i].Outcome = fmt.Sprintf("was left with %d of %d waves in force", c.Roll.InForce, len(c.Roll.Waves))
	}
}

// enforceStage puts as much of a target in force as may be now.
func (r *Reconciler) enforceStage(ctx context.Context, s *state, o *specs.Stack, target *admit.Set, ops []op, rev *specs.Revision, within time.Duration) error {
	s.due = false
	set, n := target, lastWave(ops)+1
	if s.rec.Live != nil { // else there is nothing that could break
		set, n = r.stage(s, target, ops)
	}
	l := r.rolling(s, rev, ops, n)
	confirm := s.rec.Confirm
	if within > 0 {
		confirm = r.arm(s, within)
	}
	c := change{to: set, ops: ops, rev: rev, note: func(c *receipt) { l.note(c); c.Held, c.Confirm = nil, confirm; c.forgetFailed(s.disk) }}
	if set != target {
		part := *rev
		part.Digest, part.Number, part.Dirty = set.Digest(), 0, rev.Commit != ""
		c.rev = &part
		c.ops = slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return o.wave >= n })
		part.Message = fmt.Sprintf("%s; %d of %d waves in force", counted(c.ops), l.InForce, len(l.Waves))
		var err error
		if c.more, err = target.Blobs(set); err != nil {
			return err
		}
	}
	if err := r.commit(ctx, s, c); err != nil {
		return err
	}
	if l != nil && len(l.Waves) > 1 && (s.rec.staged() || l.InForce > int32(n)) {
		r.o.Event(o, specs.EventNormal, specs.ReasonRollingOut, fmt.Sprintf("revision %d (%s): %d of %d waves in force", l.To.Number, where(&l.To), l.InForce, len(l.Waves)))
	}
	r.tellApplied(o, c.rev, c.ops)
	return nil
}

// Rolling answers the rollout of a Stack that is on its way or went last, without a status but why it failed; nil when there is none. It may be called from
// anywhere and does not wait.
func (r *Reconciler) Rolling(stack string) *specs.Rollout { return (*r.rollouts.Load())[stack] }

// rollout is the object of a rollout.
func (l *roll) rollout() *specs.Rollout {
	o := &specs.Rollout{Spec: l.RolloutSpec, Status: specs.RolloutStatus{Failure: l.Failure}}
	o.Name, o.Labels = l.Name, map[string]string{specs.LabelStack: l.Stack}
	return o
}

// Advance puts the next wave of a rollout in force, unless another has taken its place. Waves that were written meanwhile are not written
// again: inForce is how many whoever calls has seen.
func (r *Reconciler) Advance(ctx context.Context, stack, rollout string, inForce int32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s := r.stacks[stack]
	if s == nil || r.snap == nil || !s.rec.staged() || s.rec.Roll.Paused || s.rec.Roll.Name != rollout || s.rec.Roll.InForce != inForce {
		return nil
	}
	_, err := r.sync(ctx, s, act{advance: true})
	if r.stacks[stack] != s {
		return err
	}
	_, statusErr := r.report(ctx, s, err)
	if err == nil {
		err = statusErr
	}
	return err
}

// goOn goes on with a rollout, when it is asked to and no other revision takes its place.
func (r *Reconciler) goOn(ctx context.Context, s *state, o *specs.Stack, a act) error {
	s.decided.target, s.decided.waits = nil, specs.ReasonRollingOut
	s.due = s.due || a.advance
	if !s.due || s.rec.Roll.Paused || r.unsure(s) {
		return r.mend(ctx, s, o)
	}
	to := s.rec.Roll.To
	target := r.revision(s.name, &to)
	if target == nil {
		return fmt.Errorf("cannot read revision %d of stack/%s back", to.Number, s.name)
	}
	fates := r.fates(s, o, target)
	for _, f := range fates {
		if f == fateHandOver { // since this revision was admitted; it stays with the stack until then
			s.decided.waits = specs.ReasonHandedOver
			return r.mend(ctx, s, o)
		}
	}
	ops, faults, err := r.ops(s, target, fates)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return &FaultsError{faults}
	}
	if err := r.enforceStage(ctx, s, o, target, ops, &to, 0); err != nil {
		return err
	}
	s.decided = decide(r.observe(s, o, s.disk, act{}))
	if s.rec.staged() {
		s.decided.target, s.decided.waits = nil, specs.ReasonRollingOut
	}
	return nil
}

// unsure tells whether waves to come remove something that the files, which were edited since, declare again, or may, because they cannot be
// read or have faults.
func (r *Reconciler) unsure(s *state) bool {
	unread := s.refused || r.snap.Hold != nil || r.snap.Err != nil
	if !unread && s.disk.Digest() == s.rec.Roll.To.Digest {
		return false
	}
	for _, w := range s.rec.Roll.Waves[s.rec.Roll.InForce:] {
		for _, o := range w.Objects {
			if o.Change == specs.RolloutDelete && (unread || s.disk.Get(store.Key{Kind: o.Kind, Name: o.Name}) != nil) {
				return true
			}
		}
	}
	return false
}

// fates of the objects whose documents a target has not, which was decided before.
func (r *Reconciler) fates(s *state, o *specs.Stack, target *admit.Set) map[store.Key]fate {
	return sorted(r.observe(s, o, target, act{apply: true, agreed: true, now: true})).fates
}

// Return goes back to what was in force as a whole where a rollout was on its way when the host went down: it is begun again from its first
// wave. It is called once, before anything is started.
func (r *Reconciler) Return(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stacks {
		if o, err := r.stackObject(s.name); err == nil && s.rec.Confirm != nil {
			if err := r.finishTarget(ctx, s, o); err != nil {
				return err
			}
			if _, err := r.expire(ctx, s, o); err != nil {
				r.o.Log.Error(err, "cannot go back", "stack", s.name)
			}
		}
		if !s.rec.staged() || s.rec.Roll.Boot == r.o.Boot || s.rec.Roll.InForce == 0 {
			continue
		}
		o, err := r.stackObject(s.name)
		if err != nil {
			continue // it was never made
		}
		if err := r.finishTarget(ctx, s, o); err != nil {
			return err
		}
		if !s.rec.staged() {
			continue
		}
		done, err := r.rewind(ctx, s, o)
		if err != nil {
			return err
		}
		if l := s.rec.Roll; done {
			r.o.Event(o, specs.EventWarning, specs.ReasonRolledBack, fmt.Sprintf("revision %d was on its way when the host went down: revision %d is in force again, and the rollout begins anew", l.To.Number, l.From.Number))
		}
	}
	return nil
}

// rewind puts the revision before a rollout back in force, of which no wave is in force then. It tells whether it did: where that revision
// cannot be read back the log says why, and the rollout goes on where it was.
func (r *Reconciler) rewind(ctx context.Context, s *state, o *specs.Stack) (bool, error) {
	rev, l := *s.rec.Roll.From, *s.rec.Roll
	l.InForce, l.Boot = 0, r.o.Boot
	to := r.revision(s.name, &rev)
	if to == nil {
		return false, nil
	}
	ops, _, err := r.ops(s, to, r.fates(s, o, to))
	if err != nil {
		return false, err
	}
	note := func(c *receipt) { c.Roll, c.Whole = &l, l.From }
	return true, r.commit(ctx, s, change{to: to, ops: ops, rev: &rev, note: note})
}

// rollText says how far a rollout is and what it waits for.
func (r *Reconciler) rollText(s *state) string {
	l := s.rec.Roll
	var unready []string
	for _, w := range l.Waves[:l.InForce] {
		for _, o := range w.Objects {
			if live, ok := r.get(store.Key{Kind: o.Kind, Name: o.Name}); ok && o.Change != specs.RolloutDelete && !isReady(live) {
				unready = append(unready, strings.ToLower(o.Kind)+"/"+o.Name)
			}
		}
	}
	text := fmt.Sprintf("revision %d: %d of %d waves in force", l.To.Number, l.InForce, len(l.Waves))
	if l.Paused {
		return text + fmt.Sprintf("; paused: `mirrorctl rollout resume stack/%s`, or abort", s.name)
	}
	if r.unsure(s) {
		text += "; what comes removes something that the files may declare again, and waits for them"
	} else if len(unready) > 0 {
		text += "; the next waits until " + names(unready) + " is ready"
	}
	return text
}
