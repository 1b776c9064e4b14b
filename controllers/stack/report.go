package stack

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

// maxFaults that a status holds; its condition tells how many there are.
const maxFaults = 100

// report writes the status of a Stack, and says when it must be looked at again. failed is why its set could not be put in force, if so.
// What is news in it is told once it is written, so that an operator that is killed in between does not have it told twice.
func (r *Reconciler) report(ctx context.Context, s *state, failed error) (time.Duration, error) {
	o, err := r.stackObject(s.name)
	if err != nil {
		return 0, nil // the store refused to make it; that error is told
	}
	if err := r.relabel(ctx, s); err != nil {
		return 0, err
	}
	again := r.count(s)
	n := specs.Copy(o)
	st := &n.Status
	st.ObservedGeneration = o.Generation
	st.Objects = s.counts
	r.revisions(s, st)
	st.Faults = nil
	refused := ""
	if s.refused {
		st.Faults = slices.Clone(s.faults[:min(len(s.faults), maxFaults)])
		refused = r.refusedRevision(s, st)
	}
	blocked := r.pending(s, st)
	v := r.verdict(s, o, st, failed)
	v.write(st, o.Generation, r.o.Now())
	if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
		return again, err
	}
	if refused != "" {
		r.o.Event(o, specs.EventWarning, specs.ReasonManifestsRefused, refused)
	}
	if blocked != "" {
		r.o.Event(o, specs.EventWarning, specs.ReasonPruneBlocked, blocked)
	}
	return again, nil
}

// revisions tells what is in force and what the files hold.
func (r *Reconciler) revisions(s *state, st *specs.StackStatus) {
	st.Live = nil
	if live := s.rec.whole(); live != nil {
		rev := *live
		st.Live = &rev
	}
	if s.disk == nil {
		return
	}
	disk := r.diskRevision(s)
	if st.Disk != nil && st.Disk.Digest == disk.Digest {
		disk.Time = st.Disk.Time
	}
	st.Disk = disk
}

// relabel notes durably which commit holds what is in force, or is on its way to be, while the files hold just that: a commit, a branch and
// whether the tree is clean are known only after the save, and must still be right when the files have moved on.
func (r *Reconciler) relabel(ctx context.Context, s *state) error {
	if s.disk == nil || s.target != nil || r.snap.Hold != nil {
		return nil
	}
	disk := r.revisionOf(s.disk)
	stale := func(rev *specs.Revision) bool {
		return rev.Digest == disk.Digest && (rev.Commit != disk.Commit || rev.Branch != disk.Branch || rev.Dirty != disk.Dirty)
	}
	live, l := s.rec.Live, s.rec.Roll
	liveStale, rollStale := live != nil && stale(live), l != nil && stale(&l.To)
	if !liveStale && !rollStale {
		return nil
	}
	label := func(rev *specs.Revision) { rev.Commit, rev.Branch, rev.Dirty = disk.Commit, disk.Branch, disk.Dirty }
	return r.keep(ctx, s, func(c *receipt) {
		if liveStale {
			rev := *live
			label(&rev)
			c.Live = &rev
		}
		if rollStale {
			next := *l
			label(&next.To)
			c.Roll = &next
		}
		if i := c.at(disk.Digest); i >= 0 {
			c.Kept = slices.Clone(c.Kept)
			label(&c.Kept[i].Revision)
		}
	}, nil)
}

// refusedRevision notes what was refused, and answers what is to be told of it; nothing when that was.
func (r *Reconciler) refusedRevision(s *state, st *specs.StackStatus) (news string) {
	if f := st.LastFailed; f != nil && f.Digest == s.disk.Digest() && f.Message == s.faults[0].String() {
		return ""
	}
	st.LastFailed = r.revisionOf(s.disk)
	st.LastFailed.Message = s.faults[0].String()
	return s.faults[0].String() + more(len(s.faults)-1)
}

// pending notes a plan that waits for somebody's word, and answers what is to be told of it; nothing when that was.
func (r *Reconciler) pending(s *state, st *specs.StackStatus) (news string) {
	d := s.decided
	if d.blocked == "" || s.disk == nil || s.refused {
		st.Pending = nil
		return ""
	}
	b := r.bind(s, s.disk, d.fates)
	p := &specs.PendingPlan{Digest: r.plans.add(b), Reason: d.blocked}
	if d.blocked == specs.ReasonPendingApply {
		p.Reason = "Manual"
	}
	for _, does := range b.Does {
		switch plan.Change(does) {
		case plan.Create:
			p.Create++
		case plan.Update:
			p.Update++
		case plan.Delete:
			p.Delete++
		}
	}
	p.Command = "mirrorctl apply --plan " + p.Digest
	if d.over {
		p.Command = "mirrorctl apply --prune --plan " + p.Digest
	}
	if d.blocked == specs.ReasonHeld {
		p.Command = "mirrorctl rollout retry stack/" + s.name
	}
	told := st.Pending != nil && st.Pending.Digest == p.Digest
	if st.Pending = p; d.blocked == specs.ReasonPruneBlocked && !told {
		return r.pruneText(s, p)
	}
	return ""
}

// pruneText says what would go, and how to agree.
func (r *Reconciler) pruneText(s *state, p *specs.PendingPlan) string {
	return fmt.Sprintf("%d of %d objects would be removed (%s); to agree: %s", len(s.decided.deletes), s.live.Len(), keyNames(s.decided.deletes), p.Command)
}

// tellApplied tells what was put in force.
func (r *Reconciler) tellApplied(o *specs.Stack, rev *specs.Revision, ops []op) {
	r.o.Event(o, specs.EventNormal, specs.ReasonApplied, fmt.Sprintf("put revision %s in force: %s", where(rev), counted(ops)))
	for i := range ops {
		switch p := &ops[i]; {
		case p.adopted:
			r.o.Event(o, specs.EventNormal, specs.ReasonAdopted, p.key.String()+" was made through the API; it belongs to the stack now")
		case p.from != "":
			r.o.Event(o, specs.EventNormal, specs.ReasonHandedOver, p.key.String()+" was taken over from stack/"+p.from)
		case p.keep:
			r.o.Event(o, specs.EventNormal, specs.ReasonPruneDisabled, p.key.String()+" stays though its document is gone; it belongs to no stack now")
		}
	}
}

// where is a revision in words: the commit and branch when there is one.
func where(rev *specs.Revision) string {
	if rev.Commit == "" {
		return short(rev.Digest)
	}
	text := rev.Short()
	if rev.Branch != "" {
		text += " " + rev.Branch
	}
	return text
}
