package admit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

type leaf struct {
	files  []*File // by path
	digest [32]byte
}

// fit gives the set as many leaves as suit a number of files.
func (s *Set) fit(files int) {
	w := width(files)
	if w == len(s.leaves) {
		return
	}
	parts := make([][]*File, w)
	for _, l := range s.leaves {
		for _, f := range l.files {
			i := leafOf(f.Rel, w)
			parts[i] = append(parts[i], f)
		}
	}
	s.leaves = make([]*leaf, w)
	for i := range parts {
		slices.SortFunc(parts[i], func(a, b *File) int { return cmp.Compare(a.Rel, b.Rel) })
		s.leaves[i] = newLeaf(parts[i])
	}
}

// width is the number of leaves for a number of files.
func width(files int) int {
	switch {
	case files <= 16:
		return 1
	case files <= 256:
		return 16
	}
	return 256
}

// leafOf is FNV-1a of the path; it only spreads.
func leafOf(rel string, width int) int {
	h := uint32(2166136261)
	for i := range len(rel) {
		h = (h ^ uint32(rel[i])) * 16777619
	}
	return int((h ^ h>>16) % uint32(width))
}

func newLeaf(files []*File) *leaf {
	l := &leaf{files: files}
	l.seal()
	return l
}

func (l *leaf) seal() {
	h := sha256.New()
	var n [4]byte
	for _, f := range l.files {
		binary.BigEndian.PutUint32(n[:], uint32(len(f.Rel)))
		h.Write(n[:])
		h.Write([]byte(f.Rel))
		h.Write(f.Digest[:])
	}
	h.Sum(l.digest[:0])
}
