package admit

import (
	"fmt"
	"path/filepath"
	"sync/atomic"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Index tells which file declares an object. It may be used from any goroutine; the zero Index knows nothing.
type Index struct{ p atomic.Pointer[Indexed] }

// Indexed is what an Index answers from. It is not changed after it was set.
type Indexed struct {
	// Root is the manifest directory.
	Root   string
	Stacks []IndexedStack
}

// IndexedStack is one stack in an Index.
type IndexedStack struct {
	Name string
	// Suspended: what the files declare may be changed by others meanwhile.
	Suspended bool
	// Live is in force; Disk is what the files hold.
	Live, Disk *Set
	// Document of the Stack itself, in force; nil when it has none.
	Document *Entry
}

// Set replaces what the index knows.
func (x *Index) Set(n *Indexed) { x.p.Store(n) }

// Sets on disk by stack, for World.
func (x *Index) Sets() map[string]*Set {
	out := map[string]*Set{}
	if n := x.p.Load(); n != nil {
		for i := range n.Stacks {
			out[n.Stacks[i].Name] = n.Stacks[i].Disk
		}
	}
	return out
}

// World is what there is for an object that is written through the API: what files declare, and what a store holds.
func (x *Index) World(s *store.Store) World {
	return World{
		Others: x.Sets(),
		Get:    func(k store.Key) (specs.Object, bool) { return s.Get(k) },
		List: func(kind string) []specs.Object {
			list, _ := s.List(kind)
			out := make([]specs.Object, len(list))
			for i, o := range list {
				out[i] = o
			}
			return out
		},
	}
}

// Declared answers the document that an object in force comes from, and its stack. ok is false when no file declares the object.
func (x *Index) Declared(kind, name string) (doc *specs.Document, stack string, suspended, ok bool) {
	e, s := x.live(store.Key{Kind: kind, Name: name})
	if e == nil {
		return nil, "", false, false
	}
	doc = e.Document()
	return doc, s.Name, s.Suspended, doc != nil
}

// live finds the entry in force. Where two stacks have it, while one hands it over, it is the one whose files declare it.
func (x *Index) live(k store.Key) (*Entry, *IndexedStack) {
	n := x.p.Load()
	if n == nil {
		return nil, nil
	}
	var found *Entry
	var in *IndexedStack
	for i := range n.Stacks {
		s := &n.Stacks[i]
		e := s.Live.Get(k)
		if k.Kind == "Stack" && s.Name == k.Name {
			e = s.Document
		}
		if e == nil {
			continue
		}
		if k.Kind == "Stack" || s.Disk.Get(k) != nil {
			return e, s
		}
		if found == nil {
			found, in = e, s
		}
	}
	return found, in
}

// Place is where an object is declared: on disk now, else in the content that is in force.
func (x *Index) Place(kind, name string) (p Place, ok bool) {
	n, k := x.p.Load(), store.Key{Kind: kind, Name: name}
	if n == nil {
		return Place{}, false
	}
	e, s := x.live(k)
	for i := range n.Stacks {
		if d := n.Stacks[i].Disk.Get(k); d != nil && (s == nil || s == &n.Stacks[i]) {
			e, s = d, &n.Stacks[i]
		}
	}
	if e == nil {
		return Place{}, false
	}
	return Place{File: e.Rel(), Path: filepath.Join(n.Root, filepath.FromSlash(e.Rel())), Line: e.Line, Stack: s.Name}, true
}

// Place is where an object is declared.
type Place struct {
	// File below the manifest directory; Path is absolute.
	File string `json:"file"`
	Path string `json:"path"`
	// Line that the document begins in.
	Line int `json:"line"`
	// Stack that owns the file.
	Stack string `json:"stack"`
}

// Dir is the absolute directory of the file that declares an object: relative paths in it start there. Empty when no file does.
func (x *Index) Dir(kind, name string) string {
	e, _ := x.live(store.Key{Kind: kind, Name: name})
	if e == nil {
		return ""
	}
	return filepath.Join(x.p.Load().Root, filepath.FromSlash(e.Dir()))
}

// Refusal is what somebody is told who writes to a field that a file declares; empty when no file declares the object.
func (x *Index) Refusal(kind, name string) string {
	p, ok := x.Place(kind, name)
	if !ok {
		return ""
	}
	return declaredText(store.Key{Kind: kind, Name: name}, fmt.Sprintf("%s:%d", p.File, p.Line), p.Stack)
}

func declaredText(k store.Key, place, stack string) string {
	return fmt.Sprintf("%s is declared in %s by stack/%s; edit the file, or run \"mirrorctl edit %s\"", words(k), place, stack, words(k))
}
