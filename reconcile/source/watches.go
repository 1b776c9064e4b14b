package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// role says what an event beside the manifests is about.
type role uint8

const (
	roleRoot role = 1 << iota // the way to the root
	roleLink                  // the way of a symbolic link
	roleGit                   // git's own files
)

// names are what is wanted of a directory: by name in it, "" for every name.
type names map[string]role

// with adds more, and gives what it is then. It may change n, and never more.
func (n names) with(more names) names {
	if n == nil && len(more) > 0 {
		n = names{}
	}
	for name, r := range more {
		n[name] |= r
	}
	return n
}

func (n names) roles() (all role) {
	for _, r := range n {
		all |= r
	}
	return all
}

// aux is what to watch besides the manifest directories, by directory.
type aux map[string]names

func (a aux) add(dir, name string, r role) { a[dir] = a[dir].with(names{name: r}) }

// watches keeps fsnotify's watches. The kernel has one watch for an inode, and fsnotify one path for it, so this keeps them by both:
// a directory that is needed under another path, or a path with another directory behind it, is taken out before it is put in.
type watches struct {
	w      *fsnotify.Watcher // nil when there is none to be had
	byPath map[string]*watch
	byID   map[inode]*watch
	broken map[string]error // why a path is not watched
	want   aux
	unsure bool // want may not be what is watched: a watch of it moved on, or there was nothing to watch
	before func(path string) error
}

type watch struct {
	path  string
	id    inode
	added bool // the kernel watches it, as far as is known
	tree  bool
	rel   string // of a tree's directory
	names names
}

// bufferedEvents is room for a burst while files are read.
const bufferedEvents = 4096

func newWatches(before func(path string) error) *watches {
	w := &watches{before: before, byPath: map[string]*watch{}, byID: map[inode]*watch{}, broken: map[string]error{}}
	w.open()
	return w
}

// open tries to get a watcher, if there is none.
func (w *watches) open() {
	if w.w != nil {
		return
	}
	fw, err := fsnotify.NewBufferedWatcher(bufferedEvents)
	if err != nil {
		w.broken[""] = err
		return
	}
	delete(w.broken, "")
	w.w = fw
}

func (w *watches) close() error {
	if w.w == nil {
		return nil
	}
	return w.w.Close()
}

func (w *watches) events() <-chan fsnotify.Event {
	if w.w == nil {
		return nil
	}
	return w.w.Events
}

func (w *watches) errors() <-chan error {
	if w.w == nil {
		return nil
	}
	return w.w.Errors
}

// watchDir watches a directory of the tree. It asks the kernel each time: the watch goes away unseen when a directory is removed, and
// the inode may be a new directory's.
func (w *watches) watchDir(rel, path string, id inode) {
	x := w.at(path, id, true)
	x.tree, x.rel = true, rel
	w.add(x)
}

// unwatchDir ends the watch of a tree's directory, unless it moved on to another path or directory.
func (w *watches) unwatchDir(path string, id inode) {
	if x := w.byPath[path]; x != nil && x.id == id {
		x.tree = false
		w.release(x)
	}
}

// setAux makes want all that is watched besides the tree, and asks the kernel again for each. It tells whether one of them was not
// watched before, and the roles of those that are gone. What is gone stays wanted: it counts when the tree comes to watch that path.
func (w *watches) setAux(want aux) (added bool, gone role) {
	w.want = want
	for _, x := range w.byPath {
		x.names = nil
	}
	for path, names := range want {
		st, err := stat(path)
		if err != nil || st.typ() != unix.S_IFDIR {
			gone |= names.roles()
			continue
		}
		x := w.at(path, st.inode, false)
		x.names = x.names.with(names)
		before := x.added
		if !w.add(x) {
			gone |= names.roles()
		}
		added = added || x.added && !before
	}
	for _, x := range w.byPath {
		w.release(x)
	}
	w.unsure = gone&(roleRoot|roleLink) != 0
	return added, gone
}

// at gives the watch of a directory, under this path when it must be. The kernel is asked by add. What is wanted at the path is
// heard from the first event on.
func (w *watches) at(path string, id inode, must bool) *watch {
	if x := w.byID[id]; x != nil {
		if x.path == path || !must && x.tree {
			return x
		}
		w.drop(x)
		y := w.at(path, id, must)
		y.names = y.names.with(x.names)
		return y
	}
	if old := w.byPath[path]; old != nil {
		w.drop(old)
	}
	x := &watch{path: path, id: id, names: names(nil).with(w.want[path])}
	w.byPath[path], w.byID[id] = x, x
	return x
}

// add asks the kernel for a watch. It tells whether there is something to watch.
func (w *watches) add(x *watch) bool {
	if w.w == nil {
		return true
	}
	var err error
	if w.before != nil {
		err = w.before(x.path)
	}
	if err == nil {
		err = w.w.Add(x.path)
	}
	x.added = err == nil
	switch {
	case err == nil:
		delete(w.broken, x.path)
	case absent(cause(err)):
		return false
	default:
		w.broken[x.path] = cause(err)
	}
	return true
}

func (w *watches) release(x *watch) {
	if !x.tree && len(x.names) == 0 {
		w.drop(x)
	}
}

func (w *watches) drop(x *watch) {
	delete(w.byPath, x.path)
	delete(w.byID, x.id)
	delete(w.broken, x.path)
	w.unsure = w.unsure || len(x.names) > 0
	if w.w != nil {
		_ = w.w.Remove(x.path) // what is gone already is no error
	}
}

// route tells what an event is about: the path of the tree to look at ("" for none), roles, and whether a watch of setAux went away.
func (w *watches) route(ev fsnotify.Event) (rel string, roles role, renew bool) {
	if self := w.byPath[ev.Name]; self != nil {
		if self.tree {
			rel = self.rel
		}
		if ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename) || ev.Has(fsnotify.Create) {
			self.added, renew = false, len(self.names) > 0
			roles |= self.names.roles()
		}
	}
	name := filepath.Base(ev.Name)
	if parent := w.byPath[filepath.Dir(ev.Name)]; parent != nil {
		roles |= parent.names[name] | parent.names[""]
		if parent.tree && rel == "" && !hidden(name) {
			rel = join(parent.rel, name)
		}
		if parent.tree && name == ".git" {
			roles |= roleGit
			if parent.rel != "." {
				rel = parent.rel // it may have become the top of a work tree, or is no more
			}
		}
	}
	return rel, roles, renew
}

// watched tells whether events of this directory come.
func (w *watches) watched(path string) bool {
	return w.w != nil && w.byPath[path] != nil && w.broken[path] == nil
}

// warning says what is not watched, and what to do about it; empty when all is.
func (w *watches) warning() string {
	limit, other, example := 0, 0, ""
	for path, err := range w.broken {
		switch {
		case path == "":
			return fmt.Sprintf("cannot watch manifests: %v: changes are seen every %v: raise it with sysctl fs.inotify.max_user_instances", err, blindResync)
		case errors.Is(err, unix.ENOSPC):
			limit++
		case !errors.Is(err, fs.ErrPermission):
			other++
			if example == "" || path < example {
				example = path
			}
		}
	}
	switch {
	case limit > 0:
		return fmt.Sprintf("cannot watch %d directories: the limit of inotify watches is reached: changes there are seen every %v: raise it with sysctl fs.inotify.max_user_watches", limit, blindResync)
	case other > 0:
		return fmt.Sprintf("cannot watch %d directories, such as %q: %v: changes there are seen every %v", other, example, w.broken[example], blindResync)
	}
	return ""
}
