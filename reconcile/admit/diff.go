package admit

import (
	"slices"

	"mirroros.dev/mirroros/reconcile/store"
)

// Change is an object that two sets have differently.
type Change struct {
	Key store.Key
	// Old and New document; nil where there is none.
	Old, New *Entry
}

// Diff lists what differs from one set to another, by key. A document that moved within its directory is the same; one that moved to
// another directory is not, since paths in it start there.
func Diff(from, to *Set) []Change {
	if from == nil {
		from = NewSet(nil)
	}
	if to == nil {
		to = NewSet(nil)
	}
	if from == to {
		return nil
	}
	keys := map[store.Key]bool{}
	for _, s := range []*Set{from, to} {
		for k := range s.held {
			keys[k] = true
		}
	}
	if len(from.leaves) == len(to.leaves) {
		for i := range from.leaves {
			leafDiff(from.leaves[i], to.leaves[i], keys)
		}
	} else {
		leafDiff(&leaf{files: from.files()}, &leaf{files: to.files()}, keys)
	}
	var out []Change
	for k := range keys {
		if c := (Change{k, from.Get(k), to.Get(k)}); !same(c.Old, c.New) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return compareKeys(a.Key, b.Key) })
	return out
}

// leafDiff notes the keys of files that are not in both.
func leafDiff(a, b *leaf, keys map[store.Key]bool) {
	if a == b || a.digest == b.digest && a.digest != [32]byte{} {
		return
	}
	seen := make(map[string]*File, len(a.files))
	for _, f := range a.files {
		seen[f.Rel] = f
	}
	for _, f := range b.files {
		if old := seen[f.Rel]; old != nil && (old == f || old.Digest == f.Digest) {
			delete(seen, f.Rel)
			continue
		}
		noteKeys(f, keys)
	}
	for _, f := range seen {
		noteKeys(f, keys)
	}
}

func noteKeys(f *File, keys map[store.Key]bool) {
	for _, e := range f.Entries {
		keys[e.Key()] = true
	}
}

func (s *Set) files() []*File {
	var out []*File
	for _, l := range s.leaves {
		out = append(out, l.files...)
	}
	return out
}
