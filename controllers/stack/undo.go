package stack

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// held is a content of the files that is not put in force by itself, since somebody went back from it.
type held struct {
	// Digest of the content; From and To are the numbers of the revision that was in force and the one that is.
	Digest string    `json:"digest"`
	From   int64     `json:"from"`
	To     int64     `json:"to"`
	By     string    `json:"by,omitempty"`
	Time   time.Time `json:"time"`
	// Cause is why it failed, when nobody went back but the operator.
	Cause string `json:"cause,omitempty"`
}

// holds tells whether what the files hold now is held.
func (s *state) holds() bool {
	return s.rec.Held != nil && s.disk != nil && s.rec.Held.Digest == s.disk.Digest()
}

// heldText says why something is held, and what to do.
func (s *state) heldText() string {
	h := s.rec.Held
	if l := s.rec.Roll; h.Cause != "" && l != nil {
		return fmt.Sprintf("revision %d (%s) failed at %s (%s) and revision %d is in force again: edit a file, or try it again with `mirrorctl rollout retry stack/%s`",
			h.From, where(&l.To), h.Time.UTC().Format(time.RFC3339), h.Cause, h.To, s.name)
	}
	return fmt.Sprintf("%s went back from revision %d to %d at %s, and the files are as before: edit one, or put what they hold in force with `mirrorctl rollout retry stack/%s`",
		h.By, h.From, h.To, h.Time.UTC().Format(time.RFC3339), s.name)
}

// notRestored is what every plan of going back says.
const notRestored = "Going back changes manifests alone: revoked tokens, secrets and other files that processes read, and programs stay as they are now."

// Undo puts an older revision in force, as any other change. The files then differ, and what they hold now is not applied again by itself.
// It removes objects within the Stack's prune limit; past it, the plan must be agreed to. A *FaultsError tells what keeps the revision from
// being put in force now, a *ChangedError that the plan does not fit any more.
func (r *Reconciler) Undo(ctx context.Context, name string, a specs.UndoRequest) (specs.Undone, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err == nil {
		err = r.mayUndo(ctx, s, o, a)
	}
	if err != nil {
		return specs.Undone{}, err
	}
	k, err := s.find(a.Revision)
	if err != nil {
		return specs.Undone{}, err
	}
	out := specs.Undone{From: *s.rec.newest(), To: k.Revision}
	if k.Digest == s.rec.Live.Digest {
		out.Message = fmt.Sprintf("revision %d is in force already; nothing to do", k.Number)
		return out, nil
	}
	to := r.revision(name, &k.Revision)
	if to == nil {
		return out, fmt.Errorf("cannot read revision %d of stack/%s back: the operator's log says why", k.Number, name)
	}
	if faults := admit.Admit(to, s.live, r.world(s)); len(faults) > 0 {
		return out, &FaultsError{faults}
	}
	p, err := r.plan(ctx, s, o, to)
	if err != nil {
		return out, err
	}
	out.Plan, out.Text = p.Digest, p.Text()+notRestored+"\n"
	if a.Plan != "" && a.Plan != p.Digest {
		return out, &ChangedError{Message: fmt.Sprintf("plan %s does not fit any more; the plan now is %s", a.Plan, p.Digest)}
	}
	if a.DryRun {
		return out, nil
	}
	return out, r.undo(ctx, s, o, to, a, &out)
}

// mayUndo tells why it is not possible to go back now, if so. What was interrupted is finished first: a plan leads from what is in force.
func (r *Reconciler) mayUndo(ctx context.Context, s *state, o *specs.Stack, a specs.UndoRequest) error {
	switch {
	case a.Prune && a.Plan == "":
		return &BlockedError{Message: "cannot prune without a plan: name the one that was shown, with --plan"}
	case s.removed:
		return &BlockedError{Message: fmt.Sprintf("stack/%s is being removed: its document is gone", s.name)}
	case o.Spec.Suspend:
		return &BlockedError{Message: fmt.Sprintf("stack/%s is suspended: `mirrorctl resume stack/%s` first", s.name, s.name)}
	case a.Revision == specs.RevisionDisk:
		return &BlockedError{Message: fmt.Sprintf("what the files hold is no older revision: `mirrorctl rollout retry stack/%s` puts it in force", s.name)}
	}
	return r.finishTarget(ctx, s, o)
}

// undo is the act of Undo.
func (r *Reconciler) undo(ctx context.Context, s *state, o *specs.Stack, to *admit.Set, a specs.UndoRequest, out *specs.Undone) error {
	obs := r.observe(s, o, to, act{apply: true, agreed: a.Prune, now: true})
	obs.refused, obs.git, obs.unreadable = false, false, false // they speak of the files
	d := decide(obs)
	if d.over && !a.Prune {
		return &BlockedError{Message: fmt.Sprintf("%d of %d objects would be removed (%s); to agree: mirrorctl rollout undo stack/%s --to-revision %d --prune --plan %s",
			len(d.deletes), s.live.Len(), keyNames(d.deletes), s.name, out.To.Number, out.Plan)}
	}
	if d.target == nil {
		return &BlockedError{Message: "its objects wait for the stack that takes them over"}
	}
	ops, faults, err := r.ops(s, d.target, d.fates)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return &FaultsError{faults}
	}
	rev := out.To
	if rev.Digest != d.target.Digest() { // an object stays for another stack
		rev.Number, rev.Digest = 0, d.target.Digest()
	}
	rev.Time, rev.By, rev.Message = metav1.NewTime(r.o.Now()).Rfc3339Copy(), a.By, counted(ops)
	text := fmt.Sprintf("%s went back from revision %d to %d", a.By, out.From.Number, out.To.Number)
	if err := r.record(s.name, specs.ReasonRolledBack, text); err != nil && a.By != unconfirmed {
		return err
	}
	disk := s.disk.Digest()
	if s.disk == nil && s.rec.Confirm != nil {
		disk = s.rec.Confirm.Disk
	}
	h := &held{Digest: disk, From: out.From.Number, To: out.To.Number, By: a.By, Time: rev.Time.Time}
	if h.Digest == rev.Digest {
		h = nil
	}
	note := func(c *receipt) {
		c.leave(rev.Number)
		c.Roll, c.Held, c.Confirm = nil, h, nil
	}
	if err := r.commit(ctx, s, change{to: d.target, rev: &rev, ops: ops, note: note}); err != nil {
		return err
	}
	r.o.Event(o, specs.EventWarning, specs.ReasonRolledBack, text)
	r.tellApplied(o, &rev, ops)
	out.To, out.Message = rev, fmt.Sprintf("went back from revision %d to %d: %s", out.From.Number, rev.Number, rev.Message)
	s.decided = decide(r.observe(s, o, s.disk, act{}))
	if s.holds() {
		out.Message += fmt.Sprintf("; the files are as before: edit one, or put what they hold in force with `mirrorctl rollout retry stack/%s`", s.name)
	}
	if r.snap == nil {
		return nil
	}
	_, err = r.report(ctx, s, nil)
	return err
}

// Retry puts in force what the files hold though it failed, or somebody went back from it.
func (r *Reconciler) Retry(ctx context.Context, name, by string) (Applied, error) {
	held, err := r.letGo(ctx, name, by)
	if err != nil {
		return Applied{}, err
	}
	if !held {
		return Applied{Message: "nothing is held; nothing to do"}, nil
	}
	return r.Apply(ctx, name, ApplyOptions{By: by})
}

// letGo tells whether there is something to retry, and records who asked.
func (r *Reconciler) letGo(ctx context.Context, name, by string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, o, err := r.lookUp(name)
	if err != nil || !s.holds() && len(s.rec.failures(s.disk)) == 0 {
		return false, err
	}
	if err := r.mayApply(s, o); err != nil {
		return false, err
	}
	if err := r.record(name, specs.ReasonApplying, by+" tries again what was gone back from"); err != nil {
		return false, err
	}
	return true, r.keep(ctx, s, func(c *receipt) { c.Held, c.Failed = nil, nil }, nil)
}

// record puts into the audit log what somebody asked of a Stack. What cannot be recorded is not done.
func (r *Reconciler) record(stack, reason, text string) error {
	err := r.o.Audit(&audit.Record{Kind: audit.KindChange, Operation: "rollout", Target: "stack/" + stack, Reason: reason, Text: text})
	if err != nil {
		return fmt.Errorf("cannot record it in the audit log, so nothing was done: %w", err)
	}
	return nil
}

// unhold forgets what is held when the files hold what is in force: whoever writes it anew means it.
func (r *Reconciler) unhold(ctx context.Context, s *state) error {
	if s.rec.Held == nil || s.disk == nil || s.refused || r.snap.Hold != nil || s.disk.Digest() != s.live.Digest() {
		return nil
	}
	return r.keep(ctx, s, func(c *receipt) { c.Held = nil }, nil)
}

// keyNames lists some objects.
func keyNames(keys []store.Key) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.String())
	}
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	return strings.Join(names, ", ")
}
