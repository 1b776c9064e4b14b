package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/specs"
)

// maxFaults that a status holds; its condition tells how many there are.
const maxFaults = 100

// report writes the status of a Stack, and says when it must be looked at again. failed is why its set could not be put in force, if so.
func (r *Reconciler) report(ctx context.Context, s *state, failed error) (time.Duration, error) {
	o, err := r.stackObject(s.name)
	if err != nil {
		return 0, nil // the store refused to make it; that error is told
	}
	again := r.count(s)
	n := specs.Copy(o)
	st := &n.Status
	st.ObservedGeneration = o.Generation
	st.Objects = s.counts
	r.revisions(s, st)
	st.Faults = nil
	if s.refused {
		st.Faults = slices.Clone(s.faults[:min(len(s.faults), maxFaults)])
		r.refusedRevision(s, o, st)
	}
	r.pending(s, o, st)
	v := r.verdict(s, o, st, failed)
	v.write(st, o.Generation, r.o.Now())
	if _, err := r.o.Client.UpdateStatus(ctx, n); err != nil {
		return again, err
	}
	return again, nil
}

// revisions tells what is in force and what the files hold.
func (r *Reconciler) revisions(s *state, st *specs.StackStatus) {
	st.Live = nil
	if live := s.rec.Live; live != nil {
		rev := *live
		st.Live = &rev
	}
	if s.disk == nil {
		return
	}
	disk := r.revisionOf(s.disk)
	if st.Disk != nil && st.Disk.Digest == disk.Digest {
		disk.Time = st.Disk.Time
	}
	st.Disk = disk
	if st.Live != nil && st.Live.Digest == disk.Digest {
		st.Live.Commit, st.Live.Branch, st.Live.Dirty = disk.Commit, disk.Branch, disk.Dirty
	}
}

// refusedRevision notes what was refused, and tells it once.
func (r *Reconciler) refusedRevision(s *state, o *specs.Stack, st *specs.StackStatus) {
	if f := st.LastFailed; f != nil && f.Digest == s.disk.Digest() && f.Message == s.faults[0].String() {
		return
	}
	st.LastFailed = r.revisionOf(s.disk)
	st.LastFailed.Message = s.faults[0].String()
	r.o.Event(o, specs.EventWarning, specs.ReasonManifestsRefused, s.faults[0].String()+more(len(s.faults)-1))
}

// pending tells of a plan that waits for somebody's word.
func (r *Reconciler) pending(s *state, o *specs.Stack, st *specs.StackStatus) {
	d := s.decided
	if d.blocked == "" || s.disk == nil || s.refused {
		st.Pending = nil
		return
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
	told := st.Pending != nil && st.Pending.Digest == p.Digest
	if st.Pending = p; d.blocked == specs.ReasonPruneBlocked && !told {
		r.o.Event(o, specs.EventWarning, specs.ReasonPruneBlocked, r.pruneText(s, p))
	}
}

// pruneText says what would go, and how to agree.
func (r *Reconciler) pruneText(s *state, p *specs.PendingPlan) string {
	var names []string
	for _, k := range s.decided.deletes {
		names = append(names, k.String())
	}
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	return fmt.Sprintf("%d of %d objects would be removed (%s); to agree: %s", len(s.decided.deletes), s.live.Len(), strings.Join(names, ", "), p.Command)
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
