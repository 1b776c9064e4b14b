package stack

import (
	"encoding/json"
	"fmt"
	"slices"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// migrate reads the digests that receipts held before revisions had numbers.
func (c *receipt) migrate(data []byte) {
	var old struct{ History []string }
	if len(c.Kept) > 0 || json.Unmarshal(data, &old) != nil {
		return
	}
	for _, d := range old.History {
		rev := &specs.Revision{Digest: d}
		if c.Live != nil && c.Live.Digest == d {
			rev = c.Live
		}
		c.number(rev)
		c.Kept = append(c.Kept, specs.KeptRevision{Revision: *rev})
	}
}

// at is the place of a digest among what is kept; -1 when it is not.
func (c *receipt) at(digest string) int {
	return slices.IndexFunc(c.Kept, func(k specs.KeptRevision) bool { return k.Digest == digest })
}

// number gives a revision the number that its content has, or the next.
func (c *receipt) number(rev *specs.Revision) {
	if i := c.at(rev.Digest); i >= 0 {
		rev.Number = c.Kept[i].Number
	} else if c.Roll != nil && c.Roll.To.Digest == rev.Digest {
		rev.Number = c.Roll.To.Number
	}
	if rev.Number == 0 {
		rev.Number = c.Numbered + 1
	}
	c.Numbered = max(c.Numbered, rev.Number)
}

// remember puts a revision at the end of what is kept, says of the one before what became of it, and answers the digests that are not kept
// any more: limit are, beside the last. They are dropped some at a time, since finding what only they have costs more than keeping it.
// good: all objects of the one before were ready.
func (c *receipt) remember(rev *specs.Revision, limit int, good bool) (dropped []string) {
	c.number(rev)
	if c.Roll != nil { // what is gone back to when it fails
		if i := c.at(c.Roll.From.Digest); i >= 0 {
			c.keep(c.Kept[i])
		}
	}
	if from := c.whole(); from != nil && from.Digest != rev.Digest {
		k := specs.KeptRevision{Revision: *from, Outcome: c.left(from, rev), Until: rev.Time, Good: good}
		c.keep(k)
	}
	c.keep(specs.KeptRevision{Revision: *rev})
	return c.drop(limit)
}

// expect keeps a revision that is on its way, and with it the one that was in force before.
func (c *receipt) expect(limit int, good bool) (dropped []string) {
	c.keep(specs.KeptRevision{Revision: *c.Roll.From, Good: good})
	c.keep(specs.KeptRevision{Revision: c.Roll.To, Outcome: "on its way"})
	return c.drop(limit)
}

// keep puts a revision at the end of what is kept. What was good once stays so.
func (c *receipt) keep(k specs.KeptRevision) {
	next := slices.Clone(c.Kept)
	if i := c.at(k.Digest); i >= 0 {
		k.Good = k.Good || next[i].Good
		next = slices.Delete(next, i, i+1)
	}
	c.Kept = append(next, k)
}

// drop forgets the oldest revisions when there are too many.
func (c *receipt) drop(limit int) (dropped []string) {
	n := len(c.Kept) - 1
	if n <= limit+limit/2 {
		return nil
	}
	for _, k := range c.Kept[:n-limit] {
		dropped = append(dropped, k.Digest)
	}
	c.Kept = slices.Clone(c.Kept[n-limit:])
	return dropped
}

// settleReceipt makes a content the one in force in a receipt, and answers the names of blobs that nothing needs then.
func (r *Reconciler) settleReceipt(s *state, next *receipt, rev *specs.Revision) (garbage []string) {
	was, whole := next.Live, next.whole()
	good := whole != nil && s.good == whole.Digest
	var dropped []string
	if next.partly(rev.Digest) {
		dropped = next.expect(r.limit(s.name), good)
		next.Whole = whole
	} else {
		dropped = next.remember(rev, r.limit(s.name), good)
		next.Whole = nil
	}
	garbage = r.garbage(s.name, next.digests(), dropped)
	if was != nil && was.Digest != rev.Digest && next.at(was.Digest) < 0 && !slices.Contains(dropped, was.Digest) { // it was on the way
		garbage = append(garbage, admit.RootName(was.Digest))
	}
	next.Live, next.Target, next.Wave, next.Verify = rev, nil, 0, false
	return garbage
}

// left says why a revision is not in force any more.
func (c *receipt) left(from, to *specs.Revision) string {
	if l := c.Roll; l != nil && l.Failure != nil && l.To.Digest == from.Digest {
		return l.failed()
	}
	if to.Number < from.Number {
		text := fmt.Sprintf("went back to revision %d", to.Number)
		if to.By != "" {
			text = to.By + " " + text
		}
		return text
	}
	return fmt.Sprintf("replaced by revision %d", to.Number)
}

// lastGood is the newest revision before the one in force that had all of its objects ready; nil when none is known.
func (c *receipt) lastGood() *specs.KeptRevision {
	for _, k := range slices.Backward(c.Kept) {
		if k.Good && (c.Live == nil || k.Digest != c.Live.Digest) {
			return &k
		}
	}
	return nil
}

// digests of what is kept.
func (c *receipt) digests() (out []string) {
	for _, k := range c.Kept {
		out = append(out, k.Digest)
	}
	return out
}

// limit is how many revisions a Stack keeps beside the one in force.
func (r *Reconciler) limit(stack string) int {
	if o, ok := reconcile.Get[*specs.Stack](r.o.Client, stack); ok && o.Spec.RevisionHistoryLimit != nil {
		return int(*o.Spec.RevisionHistoryLimit)
	}
	return specs.DefaultRevisionHistoryLimit
}

// garbage are the names of what only dropped revisions have.
func (r *Reconciler) garbage(stack string, kept, dropped []string) []string {
	if len(dropped) == 0 {
		return nil
	}
	out := admit.Unused(r.roots(stack, kept), r.roots(stack, dropped))
	for _, d := range dropped {
		if !slices.Contains(kept, d) {
			out = append(out, admit.RootName(d))
		}
	}
	return out
}

// roots of revisions that are kept.
func (r *Reconciler) roots(stack string, digests []string) [][]byte {
	var out [][]byte
	for _, d := range digests {
		if root, ok := r.o.Client.Store().Blob(revisionBucket, stack+"/"+admit.RootName(d)); ok {
			out = append(out, root)
		}
	}
	return out
}
