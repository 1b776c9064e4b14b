package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Revisions lists what is kept of a Stack, by number.
func (r *Reconciler) Revisions(name string) (specs.RevisionList, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stacks[name]
	if s == nil {
		return specs.RevisionList{}, fmt.Errorf("stack/%s: %w", name, store.ErrNotFound)
	}
	out := specs.RevisionList{Stack: name, Items: []specs.KeptRevision{}}
	for _, k := range s.rec.Kept {
		if live := s.rec.whole(); live != nil && live.Digest == k.Digest {
			k = specs.KeptRevision{Revision: *live, Good: k.Good || s.good == k.Digest, Live: true}
		}
		out.Items = append(out.Items, k)
	}
	slices.SortFunc(out.Items, func(a, b specs.KeptRevision) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

// Manifests answers the documents of a revision. It may be named by its number, by the begin of its digest or commit, or as live, disk or
// last-good.
func (r *Reconciler) Manifests(name, revision string) (specs.RevisionManifests, error) {
	set, rev, err := r.named(name, revision)
	if err != nil {
		return specs.RevisionManifests{}, err
	}
	defer set.Release(nil)
	out := specs.RevisionManifests{Stack: name, Revision: *rev, Items: []specs.RevisionManifest{}}
	for _, k := range set.Keys() {
		m, err := manifest(set.Get(k))
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, *m)
	}
	return out, nil
}

// Differences are what two revisions have differently; how they may be named see Manifests.
func (r *Reconciler) Differences(name, from, to string) (specs.RevisionDiff, error) {
	out := specs.RevisionDiff{Stack: name, Changes: []specs.RevisionChange{}}
	a, revA, err := r.named(name, from)
	if err != nil {
		return out, err
	}
	b, revB, err := r.named(name, to)
	if err != nil {
		return out, err
	}
	defer a.Release(nil)
	defer b.Release(nil)
	out.From, out.To = *revA, *revB
	for _, c := range admit.Diff(a, b) {
		d := specs.RevisionChange{Kind: c.Key.Kind, Name: c.Key.Name}
		if d.From, err = manifest(c.Old); err != nil {
			return out, err
		}
		if d.To, err = manifest(c.New); err != nil {
			return out, err
		}
		out.Changes = append(out.Changes, d)
	}
	return out, nil
}

// manifest is a document as it is told; nil of none.
func manifest(e *admit.Entry) (*specs.RevisionManifest, error) {
	if e == nil {
		return nil, nil
	}
	doc := e.Document()
	if doc == nil {
		return nil, fmt.Errorf("%s: the text of its document in %s is not kept any more", e.Key(), e.Place())
	}
	return &specs.RevisionManifest{Kind: e.Kind, Name: e.Name, Place: e.Place(), Text: string(doc.Text), Declared: doc.Declared()}, nil
}

// named finds a revision of a Stack by one of its names.
func (r *Reconciler) named(name, revision string) (*admit.Set, *specs.Revision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, _, err := r.lookUp(name)
	if err != nil {
		return nil, nil, err
	}
	if revision == specs.RevisionDisk {
		if s.refused {
			return nil, nil, &FaultsError{s.faults}
		}
		return s.disk, r.diskRevision(s), nil
	}
	k, err := s.find(revision)
	if err != nil {
		return nil, nil, err
	}
	if s.rec.Live.Digest == k.Digest && s.live != nil {
		return s.live, s.rec.Live, nil
	}
	set := r.revision(name, &k.Revision)
	if set == nil {
		return nil, nil, fmt.Errorf("cannot read revision %d of stack/%s back: the operator's log says why", k.Number, name)
	}
	return set, &k.Revision, nil
}

// find looks for a kept revision by one of its names.
func (s *state) find(revision string) (*specs.KeptRevision, error) {
	live := s.rec.Live
	if live == nil {
		return nil, &BlockedError{Message: fmt.Sprintf("stack/%s has no revision yet: nothing of it was in force", s.name)}
	}
	switch revision {
	case specs.RevisionLive:
		return &specs.KeptRevision{Revision: *live}, nil
	case specs.RevisionLastGood, "":
		if k := s.rec.lastGood(); k != nil {
			return k, nil
		}
		return nil, &BlockedError{Message: fmt.Sprintf("stack/%s: no revision before the one in force is known to have had all of its objects ready; `mirrorctl rollout history stack/%s` lists those that are kept", s.name, s.name)}
	}
	number, err := strconv.ParseInt(revision, 10, 64)
	var found []specs.KeptRevision
	for _, k := range s.rec.Kept {
		if err == nil && k.Number == number {
			return &k, nil
		}
		if len(revision) >= 7 && (strings.HasPrefix(k.Digest, revision) || strings.HasPrefix(k.Commit, revision)) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return nil, &BlockedError{Message: fmt.Sprintf("stack/%s keeps no revision %s: `mirrorctl rollout history stack/%s` lists those that it keeps", s.name, revision, s.name)}
	case 1:
		return &found[0], nil
	}
	return nil, &BlockedError{Message: fmt.Sprintf("stack/%s has %d revisions of %s: say which by its number", s.name, len(found), revision)}
}

// diskRevision is what the files hold, with its number when it is kept.
func (r *Reconciler) diskRevision(s *state) *specs.Revision {
	rev := r.revisionOf(s.disk)
	if i := s.rec.at(rev.Digest); i >= 0 {
		rev.Number = s.rec.Kept[i].Number
	}
	return rev
}
