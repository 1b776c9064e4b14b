package stack

import (
	"encoding/json"
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
	// due: the next wave of the rollout was asked for, and waits for what the files say.
	due bool

	// rec is what is kept; live the set in force, target one that is being put in force.
	rec          receipt
	live, target *admit.Set
	// verified is how many of its objects there were when it was last known that none is missing; -1 when that is not known.
	verified int
	// good is the digest of the set in force when all of its objects were seen ready at once, and no status says so yet.
	good string
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
	// Roll is the change of several waves that is on its way, or that went last. While only some of its waves are in force Live is no revision
	// but what is between two, and Whole is the one before.
	Roll  *roll           `json:"roll,omitempty"`
	Whole *specs.Revision `json:"whole,omitempty"`
	// Confirm is what must be confirmed, nil for nothing.
	Confirm *confirm `json:"confirm,omitempty"`
	// Failed are contents that failed.
	Failed []failedContent `json:"failed,omitempty"`
	// Kept are the revisions that are kept, in the order in which they were put in force last; Numbered is the last number given.
	Kept     []specs.KeptRevision `json:"kept,omitempty"`
	Numbered int64                `json:"numbered,omitempty"`
	// Held is what the files held when somebody went back: it is not applied again by itself.
	Held *held `json:"held,omitempty"`
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
		s.rec.migrate(data)
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
