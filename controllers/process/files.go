package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
)

// quiet is how long a file must be left alone before its change counts: an editor or a copy may not have finished.
const quiet = 200 * time.Millisecond

// noFile is the digest of a file that cannot be read.
const noFile = "-"

// files knows the contents of files that matter to processes, and tells the processes when one changes. One watcher serves all; it
// watches directories, those of the files and those that symbolic links lead to.
type files struct {
	log     logr.Logger
	changed func(process string)

	mu      sync.Mutex // guards all below
	watcher *fsnotify.Watcher
	users   map[string][]string // processes by path
	dirs    map[string]int      // how many paths need a directory
	places  map[string][]string // directories of a path
	known   map[string]string   // digest by path
	ids     map[string]fileID   // identity by path
	touched map[string]time.Time
	wake    chan struct{}
}

func newFiles(log logr.Logger, changed func(process string)) *files {
	return &files{log: log, changed: changed, users: map[string][]string{}, dirs: map[string]int{}, places: map[string][]string{},
		known: map[string]string{}, ids: map[string]fileID{}, touched: map[string]time.Time{}, wake: make(chan struct{}, 1)}
}

// watch makes paths the ones that matter to a process, in place of those before.
func (f *files) watch(process string, before, paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range before {
		if !slices.Contains(paths, p) {
			f.release(process, p)
		}
	}
	for _, p := range paths {
		if !slices.Contains(f.users[p], process) {
			f.users[p] = append(f.users[p], process)
			if len(f.users[p]) == 1 {
				f.place(p)
			}
		}
	}
}

func (f *files) release(process, path string) {
	f.users[path] = slices.DeleteFunc(f.users[path], func(p string) bool { return p == process })
	if len(f.users[path]) > 0 {
		return
	}
	delete(f.users, path)
	delete(f.known, path)
	delete(f.ids, path)
	f.unplace(path)
}

// place watches the directories that a path is in and leads to.
func (f *files) place(path string) {
	dirs := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	f.places[path] = dirs
	for _, d := range dirs {
		if f.dirs[d]++; f.dirs[d] == 1 && f.watcher != nil {
			f.add(d)
		}
	}
}

func (f *files) unplace(path string) {
	for _, d := range f.places[path] {
		if f.dirs[d]--; f.dirs[d] <= 0 {
			delete(f.dirs, d)
			if f.watcher != nil {
				_ = f.watcher.Remove(d) // it may be gone already
			}
		}
	}
	delete(f.places, path)
}

func (f *files) add(dir string) {
	if err := f.watcher.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Error(err, "cannot watch directory", "path", dir)
	}
}

// digest of a file's content, read when it is not known.
func (f *files) digest(path string) string {
	f.mu.Lock()
	d, ok := f.known[path]
	f.mu.Unlock()
	if ok {
		return d
	}
	d = noFile
	if data, err := readRegular(path); err == nil {
		sum := sha256.Sum256(data)
		d = hex.EncodeToString(sum[:8])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.users[path]) > 0 { // else nobody would tell when it changes
		f.known[path] = d
	}
	return d
}

// identity of a file, looked up when it is not known; without a path when there is no such file.
func (f *files) identity(path string) fileID {
	f.mu.Lock()
	id, ok := f.ids[path]
	f.mu.Unlock()
	if ok {
		return id
	}
	id = identify(path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.users[path]) > 0 {
		f.ids[path] = id
	}
	return id
}

// run watches until ctx ends.
func (f *files) run(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Error(err, "cannot watch files; changes of config files and executables are not seen")
		<-ctx.Done()
		return nil
	}
	defer w.Close()
	f.start(w)
	defer f.stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return nil
			}
			if f.event(e) {
				timer.Reset(quiet)
			}
		case err := <-w.Errors:
			f.log.Error(err, "lost file events; looking at all files again")
			f.all()
			timer.Reset(quiet)
		case <-f.wake:
			timer.Reset(quiet)
		case <-timer.C:
			if left := f.settle(); left > 0 {
				timer.Reset(left)
			}
		}
	}
}

func (f *files) start(w *fsnotify.Watcher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watcher = w
	for d := range f.dirs {
		f.add(d)
	}
	for p := range f.users { // what was read before the watch began may have changed meanwhile
		f.touched[p] = time.Now()
	}
	wake(f.wake)
}

func (f *files) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watcher = nil
}

// event notes which paths an event is about, and tells whether there are any.
func (f *files) event(e fsnotify.Event) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	hit := false
	if _, ok := f.users[e.Name]; ok {
		f.touched[e.Name], hit = time.Now(), true
	}
	dir := filepath.Dir(e.Name)
	for p, places := range f.places {
		if len(places) > 1 && places[1] == dir { // what the link leads to
			f.touched[p], hit = time.Now(), true
		}
	}
	return hit
}

func (f *files) all() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.users {
		f.touched[p] = time.Now()
	}
}

// settle forgets what is known of files that have been left alone for long enough, and tells their processes. It answers how long the
// next one has to wait.
func (f *files) settle() (left time.Duration) {
	f.mu.Lock()
	tell := map[string]bool{}
	for p, at := range f.touched {
		if wait := quiet - time.Since(at); wait > 0 {
			if left == 0 || wait < left {
				left = wait
			}
			continue
		}
		delete(f.touched, p)
		if f.same(p) {
			continue
		}
		delete(f.known, p)
		delete(f.ids, p)
		if len(f.users[p]) > 0 {
			f.unplace(p)
			f.place(p) // the link may lead elsewhere now
		}
		for _, u := range f.users[p] {
			tell[u] = true
		}
	}
	f.mu.Unlock()
	for u := range tell {
		f.changed(u)
	}
	return left
}

// same tells whether a file is the one that is known: nobody needs to hear of it then. One whose content is known is read again.
func (f *files) same(path string) bool {
	id, ok := f.ids[path]
	_, digested := f.known[path]
	return ok && !digested && identify(path) == id
}

// identify looks a file up.
func identify(path string) fileID {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return fileID{}
	}
	id := fileID{Path: path, Size: info.Size(), MTime: info.ModTime().UnixNano()}
	id.Dev, id.Inode = deviceAndInode(info)
	return id
}
