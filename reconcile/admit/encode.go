package admit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// How a set is kept: a root, which names its leaves by digest and holds what is held back; for each leaf a list of what its files
// declare, and apart from it the text of the files, which is needed rarely.
const (
	rootPrefix = "r/"
	listPrefix = "l/"
	textPrefix = "t/"
)

type rootJSON struct {
	// Leaves are their digests, one after another.
	Leaves []byte     `json:"leaves"`
	Held   []heldJSON `json:"held,omitempty"`
}

// each calls fn for the digest of every leaf.
func (r *rootJSON) each(fn func(digest [32]byte) error) error {
	if len(r.Leaves)%sha256.Size != 0 {
		return fmt.Errorf("the digests of its leaves have %d bytes", len(r.Leaves))
	}
	for d := range slices.Chunk(r.Leaves, sha256.Size) {
		if err := fn([32]byte(d)); err != nil {
			return err
		}
	}
	return nil
}

type heldJSON struct {
	Kind string     `json:"kind"`
	Name string     `json:"name"`
	Rel  string     `json:"rel,omitempty"`
	Text string     `json:"text,omitempty"`
	Doc  *entryJSON `json:"doc,omitempty"`
}

type fileJSON struct {
	Rel     string      `json:"r"`
	Digest  []byte      `json:"d"`
	Size    int         `json:"n"`
	Entries []entryJSON `json:"e,omitempty"`
}

type entryJSON struct {
	Kind  string            `json:"k"`
	Name  string            `json:"n"`
	Index int               `json:"i,omitempty"`
	Line  int               `json:"l"`
	Sum   []byte            `json:"s"`
	Refs  []specs.Ref       `json:"r,omitempty"`
	Ports []specs.FixedPort `json:"p,omitempty"`
	Wave  int               `json:"w,omitempty"`
	From  string            `json:"f,omitempty"`
	Kept  bool              `json:"o,omitempty"`
	// Remote field of a route.
	Remote string `json:"m,omitempty"`
	// Memory that its instances need.
	Memory int64 `json:"y,omitempty"`
}

// Blobs are what must be kept to restore the set, by name. Leaves that had has are left out: they are kept already.
func (s *Set) Blobs(had *Set) (map[string][]byte, error) {
	if s == nil {
		s = NewSet(nil)
	}
	known := map[[32]byte]bool{}
	if had != nil {
		for _, l := range had.leaves {
			known[l.digest] = true
		}
	}
	out := map[string][]byte{}
	root := rootJSON{}
	for _, l := range s.leaves {
		root.Leaves = append(root.Leaves, l.digest[:]...)
		if known[l.digest] {
			continue
		}
		name := hex.EncodeToString(l.digest[:])
		list, text, err := l.encode()
		if err != nil {
			return nil, err
		}
		out[listPrefix+name], out[textPrefix+name] = list, text
	}
	for _, k := range s.Held() {
		h := heldJSON{Kind: k.Kind, Name: k.Name}
		if e := s.held[k]; e != nil {
			j := e.encode()
			h.Rel, h.Text, h.Doc = e.file.Rel, string(e.file.content()), &j
		}
		root.Held = append(root.Held, h)
	}
	data, err := json.Marshal(root)
	out[rootPrefix+s.digest] = data
	return out, err
}

func (l *leaf) encode() (list, text []byte, err error) {
	var files []fileJSON
	for _, f := range l.files {
		data := f.content()
		if sha256.Sum256(data) != f.Digest {
			return nil, nil, fmt.Errorf("cannot keep %q: its content is not kept any more", f.Rel)
		}
		j := fileJSON{Rel: f.Rel, Digest: f.Digest[:], Size: len(data)}
		for _, e := range slices.Concat(f.Entries, f.Stacks) {
			j.Entries = append(j.Entries, e.encode())
		}
		files = append(files, j)
		text = append(text, data...)
	}
	list, err = json.Marshal(files)
	return list, text, err
}

func (e *Entry) encode() entryJSON {
	return entryJSON{e.Kind, e.Name, e.index, e.Line, e.Sum[:], e.Refs, e.Ports, e.Wave, e.RenamedFrom, e.Kept, e.Remote, e.Memory}
}

func (j *entryJSON) decode(f *File) *Entry {
	e := &Entry{Kind: j.Kind, Name: j.Name, Line: j.Line, Refs: j.Refs, Ports: j.Ports, Wave: j.Wave, RenamedFrom: j.From, Kept: j.Kept, Remote: j.Remote, Memory: j.Memory,
		file: f, index: j.Index}
	copy(e.Sum[:], j.Sum)
	return e
}

// Restore makes the set of a digest from what Blobs gave. Texts are read when somebody asks for a document.
func Restore(digest string, read func(name string) ([]byte, bool)) (*Set, error) {
	data, ok := read(rootPrefix + digest)
	if !ok {
		return nil, fmt.Errorf("cannot restore revision %q: it is not kept", digest)
	}
	var root rootJSON
	if err := json.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("cannot restore revision %q: %w", digest, err)
	}
	s := &Set{}
	s.ready()
	s.leaves = nil
	err := root.each(func(d [32]byte) error {
		l, err := restoreLeaf(hex.EncodeToString(d[:]), read)
		if err != nil {
			return err
		}
		s.leaves = append(s.leaves, l)
		s.count += len(l.files)
		for _, f := range l.files {
			for _, e := range f.Entries {
				s.insert(e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot restore revision %q: %w", digest, err)
	}
	s.digest = s.sum()
	if len(root.Held) > 0 {
		held := make(map[store.Key]*Entry, len(root.Held))
		for _, h := range root.Held {
			held[store.Key{Kind: h.Kind, Name: h.Name}] = h.decode()
		}
		s = s.With(held)
	}
	if s.digest != digest {
		return nil, fmt.Errorf("cannot restore revision %q: what is kept has the digest %q", digest, s.digest)
	}
	return s, nil
}

func restoreLeaf(name string, read func(string) ([]byte, bool)) (*leaf, error) {
	data, ok := read(listPrefix + name)
	if !ok {
		return nil, fmt.Errorf("leaf %q is not kept", name)
	}
	var list []fileJSON
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("leaf %q: %w", name, err)
	}
	files, from := make([]*File, len(list)), 0
	for i, j := range list {
		f, begin, end := &File{Rel: j.Rel}, from, from+j.Size
		copy(f.Digest[:], j.Digest)
		f.read = func() []byte {
			text, ok := read(textPrefix + name)
			if !ok || end > len(text) || sha256.Sum256(text[begin:end]) != f.Digest {
				return nil
			}
			return bytes.Clone(text[begin:end])
		}
		for k := range j.Entries {
			f.add(j.Entries[k].decode(f))
		}
		files[i], from = f, end
	}
	return newLeaf(files), nil
}

// Unused are the names of the parts that dropped revisions have and kept ones have not, given their roots. The roots themselves are not
// among them.
func Unused(kept, dropped [][]byte) []string {
	seen := map[[32]byte]bool{}
	var names []string
	for i, root := range slices.Concat(kept, dropped) {
		var r rootJSON
		if json.Unmarshal(root, &r) != nil {
			continue
		}
		_ = r.each(func(d [32]byte) error {
			if i >= len(kept) && !seen[d] {
				name := hex.EncodeToString(d[:])
				names = append(names, listPrefix+name, textPrefix+name)
			}
			seen[d] = true
			return nil
		})
	}
	return names
}

// RootName is the name of the root of a revision.
func RootName(digest string) string { return rootPrefix + digest }

// apart answers the entry with a file of its own that holds its text alone, so that it outlives its file.
func (e *Entry) apart() *Entry {
	if e.file.held || e.Document() == nil {
		return e
	}
	return e.cut(e.file.Rel, bytes.Clone(e.Document().Text))
}

func (e *Entry) cut(rel string, text []byte) *Entry {
	j := e.encode()
	n := j.decode(&File{Rel: rel, Digest: sha256.Sum256(text), data: text, shift: e.Line - 1, held: true})
	n.index, n.file.Entries = 0, []*Entry{n}
	return n
}

func (h *heldJSON) decode() *Entry {
	if h.Doc == nil {
		return nil
	}
	return h.Doc.decode(nil).cut(h.Rel, []byte(h.Text))
}

// Known answers the files of a set by path and digest, for LoadAll. From then on the file has its content from f, so that it does not
// depend on what is kept of the set.
func (s *Set) Known(f *source.File) *File {
	k := s.File(f.Rel)
	if k == nil || f.Err != nil || k.Digest != f.Digest {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.data == nil {
		k.data, k.read = f.Data, nil
	}
	return k
}

// Kept is the entry of a document whose text is all that is kept; nil when the text has none.
func Kept(rel string, line int, text []byte) *Entry {
	docs, _ := specs.Load(rel, text)
	if len(docs) == 0 {
		return nil
	}
	e := entryOf(docs[0])
	e.Line = line
	return e.cut(rel, text)
}
