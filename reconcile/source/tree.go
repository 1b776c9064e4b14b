package source

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// tree is what is known of the manifest directory. One goroutine owns it.
//
// The disk is read in two ways: scan looks at everything, look at one path. Both end in visit, and in the same tree.
type tree struct {
	root    string // as given
	reader  reader
	window  time.Duration
	watcher dirWatcher // nil when nothing is watched

	// set by begin for one round
	now     time.Time
	exclude func(rel string, dir bool) bool

	real     string // where root is, without links
	rootHops []hop
	rootErr  error
	scanned  bool // a scan has reached the root
	needScan bool // one path is not enough to tell

	dirs   map[string]*dir
	seen   map[inode]*dir
	failed map[string]error // directories that cannot be read, by rel

	files  map[string]*File // what a Snapshot gets
	shared bool             // files is in a Snapshot: copy before writing
	rev    uint64           // counts changes of files

	waiting map[string]*wait // files that are being written, by rel
	fresh   bool             // waiting got a new one

	gone      map[string]*File // what was dropped a moment ago
	goneUntil time.Time
	restored  []string // of gone, shown while the root is away

	gen          uint64
	scanning     bool
	queue        []link
	loops        []string
	linksChanged bool
	moved        []string // directories that came, went, or are not the same any more: links may lead through them
	gitChanged   bool     // which directories are the top of a work tree
}

// dirWatcher is told which directories there are. It keeps its own troubles.
type dirWatcher interface {
	watchDir(rel, path string, id inode)
	unwatchDir(path string, id inode)
}

// dir is a directory of the tree. Its path has no links in it.
type dir struct {
	rel, path string
	id        inode
	gen       uint64
	linked    bool // reached by a symbolic link
	git       bool // the top of a work tree of its own, such as a submodule
	files     map[string]*entry
	dirs      map[string]*dir
	links     map[string][]hop // symbolic links in it, and what they depend on
}

// link is a symbolic link, to be followed when the real directories are known and watched.
type link struct {
	in   *dir
	name string
}

func (l link) rel() string { return join(l.in.rel, l.name) }

func newTree(s *Source, w dirWatcher) *tree {
	return &tree{
		root:    s.o.Root,
		reader:  reader{max: s.o.MaxFileBytes, anyOwner: s.o.AnyOwner, uid: uint32(unix.Geteuid()), writers: s.writers},
		window:  s.o.OpenWindow,
		watcher: w,
		dirs:    map[string]*dir{},
		seen:    map[inode]*dir{},
		failed:  map[string]error{},
		files:   map[string]*File{},
		waiting: map[string]*wait{},
		gone:    map[string]*File{},
	}
}

// begin starts a round of looking.
func (t *tree) begin(now time.Time, exclude func(string, bool) bool) {
	t.now, t.exclude = now, exclude
	if len(t.gone) > 0 && now.After(t.goneUntil) {
		clear(t.gone)
	}
}

// snapshotFiles gives the files for a Snapshot; they do not change any more.
func (t *tree) snapshotFiles() map[string]*File {
	t.shared = true
	return t.files
}

// set puts a file into what the next Snapshot gets; nil takes it out.
func (t *tree) set(rel string, f *File) {
	if t.files[rel] == f {
		return
	}
	if t.shared {
		t.files, t.shared = maps.Clone(t.files), false
	}
	t.rev++
	if f == nil {
		delete(t.files, rel)
		return
	}
	t.files[rel] = f
}

// err joins what could not be read, in a fixed order; nil when all could.
func (t *tree) err() error {
	errs := []error{t.rootErr}
	for _, rel := range slices.Sorted(maps.Keys(t.failed)) {
		errs = append(errs, fmt.Errorf("cannot read directory %q: %w", path.Join(t.root, rel), t.failed[rel]))
	}
	return errors.Join(errs...)
}

// warnings tells of links that are not followed.
func (t *tree) warnings() []string {
	var out []string
	for _, rel := range t.loops {
		out = append(out, fmt.Sprintf("%q is a symbolic link to a directory above it, so it is not followed", rel))
	}
	return out
}

// look brings one path up to date.
func (t *tree) look(rel string) {
	name := path.Base(rel)
	if rel == "." || t.rootErr != nil {
		t.needScan = true
		return
	}
	if d := t.dirs[path.Dir(rel)]; d != nil && !hidden(name) {
		t.visit(d, name)
	}
}

// lookAgain looks at the files that were being written.
func (t *tree) lookAgain() {
	for _, rel := range slices.Sorted(maps.Keys(t.waiting)) {
		if d := t.dirs[path.Dir(rel)]; d != nil {
			t.visit(d, path.Base(rel))
		} else {
			delete(t.waiting, rel)
		}
	}
}

// lookAtLinks looks at the symbolic links that lead through a directory that moved, and at all of them when something on the way of
// one has changed. It comes after the looking at directories, and so after they are watched.
func (t *tree) lookAtLinks(all bool) {
	for all || len(t.moved) > 0 {
		moved := t.moved
		t.moved = nil
		for _, rel := range slices.Sorted(maps.Keys(t.dirs)) {
			d := t.dirs[rel]
			if d == nil {
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(d.links)) {
				if all || through(d.links[name], moved) {
					t.visit(d, name)
				}
			}
		}
		all = false
	}
}

// visit brings one name of a directory up to date.
func (t *tree) visit(d *dir, name string) {
	at := d.path + "/" + name
	st, err := lstat(at)
	if err == nil && st.typ() == unix.S_IFLNK {
		t.visitLink(d, name, at)
		return
	}
	rel := join(d.rel, name)
	if absent(err) || err != nil && !t.reachable(d) {
		t.visitAbsent(d, name)
		return
	}
	t.setLink(d, name, nil)
	switch {
	case err != nil && d.dirs[name] != nil:
		t.fail(d.dirs[name], err)
	case err == nil && st.typ() == unix.S_IFDIR:
		t.dropFile(d, name)
		if t.exclude(rel, true) {
			t.dropDir(d.dirs[name])
		} else {
			t.walk(rel, at, false)
		}
	default:
		t.dropDir(d.dirs[name])
		t.visitFile(d, name, at, st, err)
	}
}

// visitAbsent takes a name out, if it is the name that is gone and not the root above it.
func (t *tree) visitAbsent(d *dir, name string) {
	if !t.reachable(d) {
		if sub := d.dirs[name]; sub != nil {
			t.keep(sub)
		}
		return
	}
	t.setLink(d, name, nil)
	t.dropFile(d, name)
	t.dropDir(d.dirs[name])
}

// visitLink follows a symbolic link: to a file at once, to a directory by a scan, which follows links last.
func (t *tree) visitLink(d *dir, name, at string) {
	if t.scanning {
		t.queue = append(t.queue, link{d, name})
		return
	}
	target, hops, st, err := t.follow(at)
	t.setLink(d, name, hops)
	switch {
	case err == nil && st.typ() == unix.S_IFDIR:
		t.dropFile(d, name)
		if t.exclude(join(d.rel, name), true) {
			t.dropDir(d.dirs[name])
		} else {
			t.needScan = true
		}
	case err != nil && d.dirs[name] != nil && d.dirs[name].linked:
		t.fail(d.dirs[name], err)
	default:
		t.dropDir(d.dirs[name])
		t.visitFile(d, name, target, st, err)
	}
}

func (t *tree) setLink(d *dir, name string, hops []hop) {
	if slices.Equal(d.links[name], hops) {
		return
	}
	t.linksChanged = true
	if hops == nil {
		delete(d.links, name)
		return
	}
	d.links[name] = hops
}
