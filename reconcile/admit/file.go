package admit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// File is one manifest file as it was loaded. It is immutable to those who look at it.
type File struct {
	// Rel is its path below the manifest directory, with slashes.
	Rel string
	// Digest of its content.
	Digest source.Digest
	// Entries are its documents that have a kind and a name, in their order; Stacks are those of the kind Stack.
	Entries, Stacks []*Entry
	// Faults of its documents, each by itself, or of the file as a whole.
	Faults []specs.Fault

	mu   sync.Mutex
	data []byte
	read func() []byte // where data comes from when it is nil
	docs []*specs.Document
	// held: it is one document of what was a file, and shift the number of lines before it.
	held  bool
	shift int
}

// Entry is what admission needs to know of one document; the document itself is parsed when asked for.
type Entry struct {
	// Kind and Name as declared, and the line that the document begins in.
	Kind, Name string
	Line       int
	// Sum is the digest of its text.
	Sum [16]byte
	// Refs to other objects, and the ports that it fixes.
	Refs  []specs.Ref
	Ports []specs.FixedPort
	// Wave is its annotation of that name; RenamedFrom too. Kept: it must not be pruned.
	Wave        int
	RenamedFrom string
	Kept        bool
	// Memory that its instances need, all that run at once; 0 when that is not known.
	Memory int64
	// Remote is the field by which requests to it may leave the host; empty when none does.
	Remote string
	// Faulty: the document has faults, so only kind, name and place are known.
	Faulty bool

	file     *File
	index    int // of the document in its file
	declared atomic.Pointer[[32]byte]
}

// Key of the object that it declares.
func (e *Entry) Key() store.Key { return store.Key{Kind: e.Kind, Name: e.Name} }

// Rel is the path of its file below the manifest directory.
func (e *Entry) Rel() string { return e.file.Rel }

// Dir is the directory of its file below the manifest directory.
func (e *Entry) Dir() string { return path.Dir(e.file.Rel) }

// Place is file:line.
func (e *Entry) Place() string { return e.file.Rel + ":" + strconv.Itoa(e.Line) }

// Document parses the document, unless it is parsed already. It is nil when its text is not kept any more.
func (e *Entry) Document() *specs.Document { return e.file.document(e.index) }

// fault of a field of the document.
func (e *Entry) fault(field, format string, args ...any) specs.Fault {
	f := specs.Fault{File: e.file.Rel, Line: e.Line, Field: field, Message: fmt.Sprintf(format, args...)}
	if d := e.Document(); d != nil {
		f.Line, f.Column = d.Position(field)
	}
	return f
}

// same tells whether two entries declare the same at the same directory. Comments and the way of writing do not count.
func same(a, b *Entry) bool {
	switch {
	case a == b:
		return true
	case a == nil || b == nil || a.Faulty != b.Faulty || a.file != b.file && a.Dir() != b.Dir():
		return false
	}
	return a.Sum == b.Sum || !a.Faulty && a.content() == b.content()
}

// content is a digest of what the document declares.
func (e *Entry) content() [32]byte {
	if p := e.declared.Load(); p != nil {
		return *p
	}
	sum := sha256.Sum256(e.Sum[:]) // of a document that is not kept any more: nothing else has it
	if d := e.Document(); d != nil {
		if data, err := json.Marshal(d.Declared()); err == nil {
			sum = sha256.Sum256(data)
		}
	}
	e.declared.Store(&sum)
	return sum
}

// Release forgets parsed documents; they are parsed again when asked for.
func (f *File) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.docs = nil
}

func (f *File) content() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes()
}

// bytes is the content; mu is held.
func (f *File) bytes() []byte {
	if f.data == nil && f.read != nil {
		return f.read()
	}
	return f.data
}

func (f *File) document(i int) *specs.Document {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.docs == nil {
		f.docs, _ = specs.Load(f.Rel, f.bytes())
		for _, d := range f.docs {
			d.Line += f.shift
		}
	}
	if i >= len(f.docs) {
		return nil
	}
	return f.docs[i]
}

// Load loads one file.
func Load(f *source.File) *File {
	out := &File{Rel: f.Rel, Digest: f.Digest, data: f.Data}
	if f.Err != nil {
		out.Faults = []specs.Fault{{File: f.Rel, Message: fmt.Sprintf("cannot be read: %v", f.Err)}}
		return out
	}
	docs, faults := specs.Load(f.Rel, f.Data)
	out.docs, out.Faults = docs, faults
	for i, d := range docs {
		if d.Kind == "" || d.Name == "" {
			continue
		}
		e := entryOf(d)
		e.file, e.index = out, i
		out.add(e)
	}
	return out
}

func (f *File) add(e *Entry) {
	if e.Kind == "Stack" {
		f.Stacks = append(f.Stacks, e)
	} else {
		f.Entries = append(f.Entries, e)
	}
}

// LoadAll loads many files, as many at once as there are processors. known answers a file that is loaded already, or nil.
func LoadAll(files []*source.File, known func(*source.File) *File) []*File {
	out := make([]*File, len(files))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
			if known != nil {
				out[i] = known(files[i])
			}
			if out[i] == nil {
				out[i] = Load(files[i])
			}
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)/4) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return out
}

func entryOf(d *specs.Document) *Entry {
	sum := sha256.Sum256(d.Text)
	e := &Entry{Kind: d.Kind, Name: d.Name, Line: d.Line, Sum: [16]byte(sum[:16]), Faulty: d.Object == nil}
	if e.Faulty {
		return e
	}
	e.Refs, e.Ports, e.Remote, e.Memory = specs.References(d.Object), specs.FixedPorts(d.Object), remoteField(d.Object), memoryOf(d.Object)
	a := d.Object.GetAnnotations()
	e.Wave, _ = strconv.Atoi(a[specs.AnnotationWave])
	e.RenamedFrom = a[specs.AnnotationRenamedFrom]
	e.Kept = a[specs.AnnotationPrune] == "disabled"
	return e
}
