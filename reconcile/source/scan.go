package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// scan looks at everything: real directories first, then links to directories, each directory once, and then the other links: what
// they lead to is looked at when every directory of the tree is watched.
func (t *tree) scan() {
	t.needScan = false
	real, hops, err := resolve(t.root, "")
	if err == nil {
		var st stamp
		if st, err = stat(real); err == nil && st.typ() != unix.S_IFDIR {
			err = unix.ENOTDIR
		}
	}
	if !slices.Equal(hops, t.rootHops) {
		t.rootHops, t.linksChanged = hops, true
	}
	if err != nil {
		t.rootAway(err)
		return
	}
	t.rootBack()
	t.real = real
	t.gen++
	t.scanning, t.queue, t.loops = true, nil, nil
	t.walk(".", real, false)
	files := t.followLinks()
	t.scanning, t.moved = false, nil
	for _, l := range files {
		if t.dirs[l.in.rel] == l.in {
			t.visit(l.in, l.name)
		}
	}
	for _, rel := range slices.Sorted(maps.Keys(t.dirs)) {
		if d := t.dirs[rel]; d != nil && d.gen != t.gen {
			t.dropDir(d)
		}
	}
	t.scanned = true
}

// rootAway keeps what was last seen, with what was dropped a moment ago: who removes a directory removes its files first.
func (t *tree) rootAway(err error) {
	if t.rootErr == nil {
		t.linksChanged = true
		for rel, f := range t.gone {
			if t.files[rel] == nil {
				t.set(rel, f)
				t.restored = append(t.restored, rel)
			}
		}
	}
	t.rootErr = fmt.Errorf("cannot read manifests %q: %w", t.root, err)
}

func (t *tree) rootBack() {
	if t.rootErr != nil {
		t.linksChanged = true
	}
	t.rootErr = nil
	for _, rel := range t.restored {
		t.remember(t.files[rel])
		t.set(rel, nil)
	}
	t.restored = nil
}

// followLinks reads the directories that links lead to, and gives the links that lead to something else.
func (t *tree) followLinks() (others []link) {
	for len(t.queue) > 0 {
		queue := t.queue
		t.queue = nil
		slices.SortFunc(queue, func(a, b link) int { return cmp.Compare(a.rel(), b.rel()) })
		for _, l := range queue {
			if t.dirs[l.in.rel] == l.in && !t.followDir(l) {
				others = append(others, l)
			}
		}
	}
	return others
}

// followDir reads the directory that a link leads to. It tells whether it is one.
func (t *tree) followDir(l link) bool {
	target, hops, st, err := t.follow(l.in.path + "/" + l.name)
	if err != nil || st.typ() != unix.S_IFDIR {
		return false
	}
	t.setLink(l.in, l.name, hops)
	t.dropFile(l.in, l.name)
	switch rel := l.rel(); {
	case t.exclude(rel, true):
		t.dropDir(l.in.dirs[l.name])
	case within(t.real, target) || within(l.in.path, target):
		t.loops = append(t.loops, rel)
	default:
		t.walk(rel, target, true)
	}
	return true
}

// walk brings a directory, and all below it, up to date. The watch comes before the reading, so that nothing falls between.
func (t *tree) walk(rel, at string, linked bool) {
	st, err := stat(at)
	if err == nil && st.typ() != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	d := t.dirs[rel]
	switch {
	case absent(err) && rel != "." && !linked:
		t.absentDir(rel)
		return
	case err != nil:
		t.fail(t.enter(rel, at, inode{}, linked), err)
		return
	case !t.claim(rel, st.inode, linked):
		t.dropDir(d)
		return
	}
	d = t.enter(rel, at, st.inode, linked)
	if t.watcher != nil {
		t.watcher.watchDir(rel, at, d.id)
	}
	list, err := os.ReadDir(at)
	switch err = cause(err); {
	case absent(err) && rel != "." && !linked:
		t.absentDir(rel)
	case err != nil:
		t.fail(d, err)
	default:
		delete(t.failed, rel)
		t.visitAll(d, list)
	}
}

// absentDir takes out a directory that is gone, if it is not all above it that is gone.
func (t *tree) absentDir(rel string) {
	if parent := t.dirs[path.Dir(rel)]; parent != nil {
		t.visitAbsent(parent, path.Base(rel))
	}
}

// reachable tells whether a directory is still where it was. When it is not, its own event tells; but where that is the root, or behind
// a link, everything is to be looked at.
func (t *tree) reachable(d *dir) bool {
	for at := d; at != nil; at = t.dirs[path.Dir(at.rel)] {
		if st, err := lstat(at.path); (err != nil || st.inode != at.id) && (at.linked || at.rel == ".") {
			t.needScan = true
			return false
		}
		if at.rel == "." {
			break
		}
	}
	st, err := lstat(d.path)
	return err == nil && st.inode == d.id
}

func (t *tree) visitAll(d *dir, list []fs.DirEntry) {
	names := make(map[string]bool, len(list))
	t.setGit(d, slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() == ".git" }))
	for _, e := range list {
		name := e.Name()
		if hidden(name) || e.Type().IsRegular() && !isManifest(name) {
			continue
		}
		names[name] = true
		t.visit(d, name)
	}
	for name := range d.files {
		if !names[name] {
			t.dropFile(d, name)
		}
	}
	for name, sub := range d.dirs {
		if !names[name] {
			t.dropDir(sub)
		}
	}
	for name := range d.links {
		if !names[name] {
			t.setLink(d, name, nil)
		}
	}
}

// setGit notes whether a directory below the root is the top of a work tree.
func (t *tree) setGit(d *dir, is bool) {
	if is = is && d.rel != "."; is != d.git {
		d.git, t.gitChanged = is, true
	}
}

// workTrees are the directories below the root that are the top of a work tree, in their order.
func (t *tree) workTrees() []string {
	var tops []string
	for _, rel := range slices.Sorted(maps.Keys(t.dirs)) {
		if d := t.dirs[rel]; d.git {
			tops = append(tops, d.path)
		}
	}
	return tops
}

// claim tells whether a directory is to be read at rel: it is not when it is read elsewhere already.
func (t *tree) claim(rel string, id inode, linked bool) bool {
	o := t.seen[id]
	if o == nil || o.rel == rel {
		return true
	}
	if t.scanning {
		if o.gen == t.gen {
			return false
		}
	} else if st, err := stat(o.path); err == nil && st.inode == id {
		if o.linked && !linked {
			t.needScan = true // the real place goes first
		}
		return false
	}
	t.dropDir(o)
	return true
}

// enter makes or updates the node of a directory.
func (t *tree) enter(rel, at string, id inode, linked bool) *dir {
	d := t.dirs[rel]
	if d == nil {
		d = &dir{rel: rel, files: map[string]*entry{}, dirs: map[string]*dir{}, links: map[string][]hop{}}
		t.dirs[rel] = d
		if parent := t.dirs[path.Dir(rel)]; rel != "." && parent != nil {
			parent.dirs[path.Base(rel)] = d
		}
	}
	if d.id != id || d.path != at {
		t.moved = append(t.moved, at)
	}
	if d.id != id && t.seen[d.id] == d {
		delete(t.seen, d.id)
	}
	if t.watcher != nil && d.path != "" && d.path != at {
		t.watcher.unwatchDir(d.path, d.id)
	}
	d.path, d.id, d.linked, d.gen = at, id, linked, t.gen
	if id != (inode{}) {
		t.seen[id] = d
	}
	return d
}

// fail keeps what was last seen in a directory that cannot be read now.
func (t *tree) fail(d *dir, err error) {
	t.failed[d.rel] = err
	t.keep(d)
}

func (t *tree) keep(d *dir) {
	d.gen = t.gen
	for _, sub := range d.dirs {
		t.keep(sub)
	}
}

// dropDir takes a directory out, with all below it. Nil is nothing to do.
func (t *tree) dropDir(d *dir) {
	if d == nil {
		return
	}
	for name := range d.files {
		t.dropFile(d, name)
	}
	for _, sub := range d.dirs {
		t.dropDir(sub)
	}
	t.linksChanged = t.linksChanged || len(d.links) > 0
	t.moved = append(t.moved, d.path)
	t.setGit(d, false)
	if t.watcher != nil {
		t.watcher.unwatchDir(d.path, d.id)
	}
	if t.seen[d.id] == d {
		delete(t.seen, d.id)
	}
	delete(t.failed, d.rel)
	delete(t.dirs, d.rel)
	if parent := t.dirs[path.Dir(d.rel)]; parent != nil {
		delete(parent.dirs, path.Base(d.rel))
	}
}

// cause is the errno in an error of package os: the path is said around it.
func cause(err error) error {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no
	}
	return err
}
