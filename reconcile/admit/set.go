package admit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"mirroros.dev/mirroros/reconcile/store"
)

// Set is one content of one stack: its files, and what is held back from an earlier content. It is immutable; nil is the empty set.
type Set struct {
	// leaves hold the files by a hash of their paths, so that an edit makes one leaf anew.
	leaves []*leaf
	count  int
	// byKey is what is in force under this set: the documents of the files, with held in place of some.
	byKey map[store.Key]*Entry
	// kinds counts byKey by kind.
	kinds map[string]int32
	// again are documents whose key was declared before.
	again map[store.Key][]*Entry
	// bad are files with faults.
	bad map[string]*File
	// ports are the documents that fix a port.
	ports map[int32][]*Entry
	// held are the objects that are not as the files have them: nil where a document is not in force yet.
	held   map[store.Key]*Entry
	digest string
}

// NewSet makes a set of files.
func NewSet(files []*File) *Set { return (*Set)(nil).Edit(files, nil) }

// Edit answers the set with some files put in and some, by path, taken out. What was held back is not in it.
func (s *Set) Edit(put []*File, out []string) *Set {
	if s == nil {
		s = &Set{}
	}
	n := &Set{leaves: slices.Clone(s.leaves), count: s.count, again: maps.Clone(s.again), bad: maps.Clone(s.bad), ports: maps.Clone(s.ports)}
	if s.held != nil {
		n.byKey = s.declared()
		n.kinds = countKinds(n.byKey)
	} else {
		n.byKey, n.kinds = maps.Clone(s.byKey), maps.Clone(s.kinds)
	}
	n.ready()
	n.replace(put, out)
	n.digest = n.sum()
	return n
}

func (s *Set) ready() {
	if s.byKey == nil {
		s.byKey = map[store.Key]*Entry{}
	}
	if s.kinds == nil {
		s.kinds = map[string]int32{}
	}
	if s.again == nil {
		s.again = map[store.Key][]*Entry{}
	}
	if s.bad == nil {
		s.bad = map[string]*File{}
	}
	if s.ports == nil {
		s.ports = map[int32][]*Entry{}
	}
	if s.leaves == nil {
		s.leaves = []*leaf{newLeaf(nil)}
	}
}

// replace puts files in place of those of their paths, and takes out others.
func (s *Set) replace(put []*File, out []string) {
	s.fit(s.countAfter(put, out))
	edits := map[int]map[string]*File{} // by leaf and path; nil takes out
	note := func(rel string, f *File) {
		i := leafOf(rel, len(s.leaves))
		if edits[i] == nil {
			edits[i] = map[string]*File{}
		}
		edits[i][rel] = f
	}
	for _, rel := range out {
		note(rel, nil)
	}
	for _, f := range put {
		note(f.Rel, f)
	}
	for i, edit := range edits {
		files := make([]*File, 0, len(s.leaves[i].files)+len(edit))
		for _, f := range s.leaves[i].files {
			if _, changed := edit[f.Rel]; changed {
				s.drop(f)
			} else {
				files = append(files, f)
			}
		}
		for _, rel := range slices.Sorted(maps.Keys(edit)) {
			if f := edit[rel]; f != nil {
				s.take(f)
				files = append(files, f)
			}
		}
		slices.SortFunc(files, func(a, b *File) int { return cmp.Compare(a.Rel, b.Rel) })
		s.leaves[i] = newLeaf(files)
	}
}

func (s *Set) countAfter(put []*File, out []string) int {
	n := s.count
	for _, f := range put {
		if s.File(f.Rel) == nil {
			n++
		}
	}
	for _, rel := range out {
		if s.File(rel) != nil {
			n--
		}
	}
	return n
}

func (s *Set) take(f *File) {
	for _, e := range f.Entries {
		s.insert(e)
	}
	if len(f.Faults) > 0 {
		s.bad[f.Rel] = f
	}
	s.count++
}

func (s *Set) drop(f *File) {
	for _, e := range f.Entries {
		s.remove(e)
	}
	delete(s.bad, f.Rel)
	s.count--
}

func (s *Set) insert(e *Entry) {
	k := e.Key()
	if first := s.byKey[k]; first == nil {
		s.byKey[k] = e
		s.kinds[k.Kind]++
	} else {
		s.again[k] = append(slices.Clip(s.again[k]), e)
	}
	for _, p := range e.Ports {
		s.ports[p.Number] = append(slices.Clip(s.ports[p.Number]), e)
	}
}

func (s *Set) remove(e *Entry) {
	k := e.Key()
	switch more := s.again[k]; {
	case s.byKey[k] != e:
		s.again[k] = without(more, e)
	case len(more) > 0:
		s.byKey[k], s.again[k] = more[0], more[1:]
	default:
		delete(s.byKey, k)
		if s.kinds[k.Kind]--; s.kinds[k.Kind] == 0 {
			delete(s.kinds, k.Kind)
		}
	}
	if len(s.again[k]) == 0 {
		delete(s.again, k)
	}
	for _, p := range e.Ports {
		if s.ports[p.Number] = without(s.ports[p.Number], e); len(s.ports[p.Number]) == 0 {
			delete(s.ports, p.Number)
		}
	}
}

func without(list []*Entry, e *Entry) []*Entry {
	return slices.DeleteFunc(slices.Clone(list), func(o *Entry) bool { return o == e })
}

// sum is the digest of the set.
func (s *Set) sum() string {
	h := sha256.New()
	h.Write([]byte("mirroros set 1\n"))
	for _, l := range s.leaves {
		h.Write(l.digest[:])
	}
	for _, k := range sortedKeys(s.held) {
		h.Write([]byte("\n" + k.Kind + " " + k.Name + " "))
		if e := s.held[k]; e != nil {
			h.Write([]byte(e.Dir() + " "))
			h.Write(e.Sum[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Digest names the content.
func (s *Set) Digest() string {
	if s == nil {
		return NewSet(nil).digest
	}
	return s.digest
}

// Get answers the document that is in force under the set; nil when there is none.
func (s *Set) Get(k store.Key) *Entry {
	if s == nil {
		return nil
	}
	return s.byKey[k]
}

// Len is the number of objects under the set; Files of its files.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.byKey)
}

// Files is the number of files.
func (s *Set) Files() int {
	if s == nil {
		return 0
	}
	return s.count
}

// File answers the file at a path; nil when there is none.
func (s *Set) File(rel string) *File {
	if s == nil {
		return nil
	}
	files := s.leaves[leafOf(rel, len(s.leaves))].files
	at, found := slices.BinarySearchFunc(files, rel, func(f *File, rel string) int { return cmp.Compare(f.Rel, rel) })
	if !found {
		return nil
	}
	return files[at]
}

// Keys of all objects under the set, sorted.
func (s *Set) Keys() []store.Key {
	if s == nil {
		return nil
	}
	return sortedKeys(s.byKey)
}

// Kinds counts the objects under the set by kind. The map is the set's.
func (s *Set) Kinds() map[string]int32 {
	if s == nil {
		return nil
	}
	return s.kinds
}

func countKinds(byKey map[store.Key]*Entry) map[string]int32 {
	n := map[string]int32{}
	for k := range byKey {
		n[k.Kind]++
	}
	return n
}

// Users of a port among the documents of the files.
func (s *Set) users(port int32) []*Entry {
	if s == nil {
		return nil
	}
	return s.ports[port]
}

func sortedKeys[V any](m map[store.Key]V) []store.Key {
	return slices.SortedFunc(maps.Keys(m), compareKeys)
}

func compareKeys(a, b store.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}
