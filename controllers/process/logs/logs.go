package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Logs is a directory of logs. Its methods may be called at any time and from anywhere; only Run and Follow block.
type Logs struct {
	dir     string
	o       Options
	w       *watcher
	noPunch error // why old lines cannot be freed here

	mu   sync.Mutex // guards what is below, and every tracked
	logs map[string]*tracked
	wds  map[int32]*tracked
	hot  []*tracked // looked at by time, not by inotify
	ill  []string   // whose health changed, for Options.Changed
}

// tracked is a log that is watched or being read.
type tracked struct {
	id          string
	fd          int // for reading; the file stays ours when it is removed
	is          info
	max         int64
	size, start int64 // as last seen: the end, and the start of the window
	prev, last  stamp // the newest two of the index
	count       int   // stamps in the index; -1: it is to be written anew
	wd          int32 // -1: not armed

	attached bool // a run is going on
	watched  bool // attached, or somebody still writes
	gone     bool // removed, or nobody asks any more
	refs     int  // readers
	gen      int  // counts replacements and truncations
	runs     int  // counts marks
	wake     chan struct{}

	due     time.Time // when to look, zero while asleep
	sampled time.Time // when it was last looked at
	punched time.Time
	ended   time.Time // when the run ended

	truncated, deleted bool
	indexErr, punchErr error
	told               faults
}

// faults is Health without the words.
type faults struct{ truncated, deleted, failing bool }

func (t *tracked) faults() faults {
	return faults{t.truncated, t.deleted, t.indexErr != nil || t.punchErr != nil}
}

// Open opens a directory of logs and makes it when it is not there. Nothing is watched before Writer or Attach.
func Open(dir string, o Options) (*Logs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the log directory %q: %w", dir, err)
	}
	w, err := newWatcher()
	if err != nil {
		return nil, err
	}
	l := &Logs{dir: dir, o: o.withDefaults(), w: w, logs: map[string]*tracked{}, wds: map[int32]*tracked{}}
	if err := canPunch(dir); err != nil {
		l.noPunch = fmt.Errorf("the file system of %q cannot free the oldest lines, logs grow without bound: %w", dir, err)
	}
	return l, nil
}

// Bounded tells why logs of this directory cannot be bounded; nil when they can.
func (l *Logs) Bounded() error { return l.noPunch }

// Close lets go of everything without a last look. Run must have returned.
func (l *Logs) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.logs {
		l.drop(t)
	}
	return l.w.close()
}

// Writer opens the log for a workload to append to, and makes it when it is not there; the caller hands it over and closes it.
// From now on it is watched and kept to maxBytes, until Detach.
func (l *Logs) Writer(id string, maxBytes int64) (*os.File, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	path := l.path(id)
	created := true
	const fresh = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_EXCL
	fd, err := openFile(path, fresh, 0o600, false)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(l.dir, 0o700) == nil { // somebody removed all logs
		fd, err = openFile(path, fresh, 0o600, false)
	}
	if errors.Is(err, fs.ErrExist) {
		created = false
		fd, err = openFile(path, unix.O_WRONLY|unix.O_APPEND, 0, false)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open log %q for writing: %w", id, err)
	}
	_ = unix.SetNonblock(fd, false) // the workload inherits the flags
	t, err := l.trackWriter(id, fd, created)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("cannot watch log %q: %w", id, err)
	}
	t.truncated, t.deleted = false, false
	t.max = max(maxBytes, minBytes)
	l.attach(t)
	return os.NewFile(uintptr(fd), path), nil
}

// trackWriter tracks the file that was just opened for a workload. A new file has no past.
func (l *Logs) trackWriter(id string, writer int, created bool) (*tracked, error) {
	now, err := stat(writer)
	if err != nil {
		return nil, err
	}
	t := l.logs[id]
	if t != nil && t.is.sameFile(now) {
		return t, nil
	}
	fd, err := openFile(l.path(id), unix.O_RDONLY, 0, false)
	if err != nil {
		return nil, err
	}
	switch {
	case t == nil && created:
		t = &tracked{id: id, fd: fd, is: now, wd: -1}
		l.logs[id] = t
		l.restart(t, 0)
		return t, nil
	case t == nil:
		return l.adopt(id, fd)
	}
	l.disarm(t)
	_ = unix.Close(t.fd)
	t.fd, t.is, t.size = fd, now, now.size
	l.restart(t, now.size)
	return t, nil
}

// Attach watches the log of a run that an earlier operator started. When the file was removed it is found through pid.
func (l *Logs) Attach(id string, maxBytes int64, pid int) error {
	if err := checkID(id); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.logs[id]
	if t == nil {
		fd, err := l.find(id, pid)
		if err != nil {
			return fmt.Errorf("cannot open log %q: %w", id, err)
		}
		if t, err = l.adopt(id, fd); err != nil {
			return fmt.Errorf("cannot watch log %q: %w", id, err)
		}
	}
	t.max = max(maxBytes, minBytes)
	l.attach(t)
	return nil
}

// find opens the file that the workload writes to, which need not be the one that has its name now.
func (l *Logs) find(id string, pid int) (int, error) {
	path := l.path(id)
	if fd := openDeleted(pid, path, false); fd >= 0 {
		return fd, nil
	}
	fd, err := openFile(path, unix.O_RDONLY, 0, false)
	if errors.Is(err, fs.ErrNotExist) {
		if fd := openDeleted(pid, path, true); fd >= 0 {
			return fd, nil
		}
	}
	return fd, err
}

// Mark says that a new run begins at the present end. To mark the same attempt again before it wrote anything changes nothing.
func (l *Logs) Mark(id string, attempt int) error {
	if err := checkID(id); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.track(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot mark run %d of log %q: %w", attempt, id, err)
	}
	off := int64(0)
	if t != nil {
		defer l.release(t)
		if now, err := stat(t.fd); err == nil {
			off = now.size
		}
	}
	if err := l.marks(id).add(mark{attempt: int64(attempt), off: off, at: l.o.Now().UnixNano()}); err != nil {
		return fmt.Errorf("cannot mark run %d of log %q: %w", attempt, id, err)
	}
	if t != nil {
		t.runs++
		t.notify()
	}
	return nil
}

// Detach says that the run has ended: it takes a last look, and watches on only while somebody still has the log open for writing.
func (l *Logs) Detach(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.track(id)
	if err != nil {
		return
	}
	l.look(t)
	if t.attached {
		t.ended = time.Now()
	}
	t.attached = false
	if t.watched = t.watched && hasWriter(t.fd); t.watched {
		l.heat(t, time.Now().Add(l.o.Interval))
	}
	t.notify()
	l.release(t)
}

// Remove deletes a log with all that belongs to it. Followers end. One that is not there is removed already.
func (l *Logs) Remove(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.logs[id]; t != nil {
		l.drop(t)
		t.notify()
	}
	var errs []error
	for _, p := range []string{l.path(id), string(l.index(id)), string(l.marks(id))} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot remove log %q: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// Health tells what is wrong with a log that is watched; a log that is not has nothing wrong.
func (l *Logs) Health(id string) Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.logs[id]
	if t == nil {
		return Health{}
	}
	return Health{Truncated: t.truncated, Deleted: t.deleted, Err: errors.Join(t.indexErr, t.punchErr)}
}

// List names the logs that are there, sorted.
func (l *Logs) List() []string {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), logSuffix); ok && e.Type().IsRegular() && checkID(id) == nil {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids
}

// Usage is how many bytes all logs and indexes take on disk.
func (l *Logs) Usage() int64 {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		if st, err := statPath(filepath.Join(l.dir, e.Name())); err == nil && e.Type().IsRegular() {
			sum += st.allocated
		}
	}
	return sum
}

const logSuffix = ".log"

func (l *Logs) path(id string) string { return filepath.Join(l.dir, id+logSuffix) }
func (l *Logs) index(id string) index { return index(filepath.Join(l.dir, id+".idx")) }
func (l *Logs) marks(id string) marks { return marks(filepath.Join(l.dir, id+".run")) }

// checkID keeps ids to what is a plain file name.
func checkID(id string) error {
	ok := id != "" && len(id) <= 200 && id[0] != '.'
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_')
	}
	if !ok {
		return fmt.Errorf("cannot name a log %q: letters, digits, '-', '_' and '.', at most 200, no '.' first", id)
	}
	return nil
}
