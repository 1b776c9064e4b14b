package stack

import (
	"encoding/json"
	"slices"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// state is what is known of one Stack.
type state struct {
	name string
	// doc is the Stack's own document on disk that may be put in force; nil when there is none.
	doc *admit.Entry
	// removed: it governs nothing any more, so what it has goes.
	removed bool

	// disk is what its files hold, nil before they were read; checked the set that faults and refused speak of; admitted the last without faults.
	disk, checked, admitted *admit.Set
	faults                  []specs.Fault
	refused                 bool
	// locality that its routes were checked for.
	locality specs.Locality
	// misfit: it was refused because of what others wrote to its objects. generation of the Stack's object that was seen last.
	misfit     bool
	generation int64

	// rec is what is kept; live the set in force, target one that is being put in force.
	rec          receipt
	live, target *admit.Set
	// verified is how many of its objects there were when it was last known that none is missing; -1 when that is not known.
	verified int
	// decided is what was decided last.
	decided decision
	// toldRefused and toldBlocked are digests of what an event has told.
	toldRefused, toldBlocked string
	// counted is when objects were counted last, and counts what came of it.
	counted    time.Time
	countedRev int64
	countedSet *admit.Set
	counts     []specs.KindCount
	unready    []string
}

// receipt is what the store keeps of a Stack besides its object.
type receipt struct {
	// Doc is the Stack's own document in force; nil for one that no file declares.
	Doc *kept `json:"doc,omitempty"`
	// Live is in force; Target is being put in force, from the wave Wave on.
	Live   *specs.Revision `json:"live,omitempty"`
	Target *specs.Revision `json:"target,omitempty"`
	Wave   int             `json:"wave,omitempty"`
	// History are the digests of revisions that are kept, the newest last.
	History []string `json:"history,omitempty"`
	// Verify: the Stack was suspended since, so what its files declare may have been changed.
	Verify bool `json:"verify,omitempty"`
}

// kept is a document of which the text is kept.
type kept struct {
	File string `json:"file"`
	Line int    `json:"line"`
	// Path is its spec.source.path.
	Path string `json:"path"`
	Text string `json:"text"`

	entry *admit.Entry
}

const (
	receiptBucket  = "stacks"
	revisionBucket = "revisions"
)

// restore reads back what is in force.
func (r *Reconciler) restore() {
	r.o.Client.Store().Blobs(receiptBucket, func(name string, data []byte) bool {
		s := r.state(name)
		if err := json.Unmarshal(data, &s.rec); err != nil {
			r.o.Log.Error(err, "cannot read what is kept of a stack; what runs stays as it is", "stack", name)
			return true
		}
		s.live = r.revision(name, s.rec.Live)
		s.target = r.revision(name, s.rec.Target)
		return true
	})
}

// revision restores a set; nil when there is none, or it cannot be read.
func (r *Reconciler) revision(stack string, rev *specs.Revision) *admit.Set {
	if rev == nil {
		return nil
	}
	set, err := admit.Restore(rev.Digest, func(name string) ([]byte, bool) {
		return r.o.Client.Store().Blob(revisionBucket, stack+"/"+name)
	})
	if err != nil {
		r.o.Log.Error(err, "what runs stays as it is, and is taken over by the next change", "stack", stack)
		return nil
	}
	return set
}

// state answers what is known of a Stack, and makes it when it is new.
func (r *Reconciler) state(name string) *state {
	s := r.stacks[name]
	if s == nil {
		s = &state{name: name, verified: -1}
		r.stacks[name] = s
	}
	return s
}

// inForce is what the index tells: a set that is being put in force counts already.
func (s *state) inForce() *admit.Set {
	if s.target != nil {
		return s.target
	}
	return s.live
}

// document is the Stack's own document in force.
func (s *state) document() *admit.Entry {
	k := s.rec.Doc
	if k == nil {
		return nil
	}
	if k.entry == nil {
		k.entry = admit.Kept(k.File, k.Line, []byte(k.Text))
	}
	return k.entry
}

// save writes the receipt with a transaction.
func (c *receipt) save(t *reconcile.ClientTx, stack string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	t.PutBlob(receiptBucket, stack, data)
	return nil
}

// keepRevisions is how many revisions are kept at least, with the one in force.
const keepRevisions = 10

// remember puts a digest at the end of the history, and answers the digests that are not kept any more. They are dropped some at a time.
func (c *receipt) remember(digest string) (dropped []string) {
	c.History = slices.DeleteFunc(slices.Clone(c.History), func(d string) bool { return d == digest })
	c.History = append(c.History, digest)
	if n := len(c.History); n > keepRevisions+keepRevisions/2 {
		dropped, c.History = slices.Clone(c.History[:n-keepRevisions]), slices.Clone(c.History[n-keepRevisions:])
	}
	return dropped
}

// garbage are the names of what only dropped revisions have.
func (r *Reconciler) garbage(stack string, history, dropped []string) []string {
	if len(dropped) == 0 {
		return nil
	}
	out := admit.Unused(r.roots(stack, history), r.roots(stack, dropped))
	for _, d := range dropped {
		if !slices.Contains(history, d) {
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
