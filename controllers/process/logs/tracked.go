package logs

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// All of this file is called with l.mu held.

// track finds a log, or opens it by its name. The caller releases it.
func (l *Logs) track(id string) (*tracked, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if t := l.logs[id]; t != nil {
		return t, nil
	}
	fd, err := openFile(l.path(id), unix.O_RDONLY, 0, false)
	if err != nil {
		return nil, err
	}
	return l.adopt(id, fd)
}

// adopt tracks an open file, which is its own from now on, and reads where its index ends.
func (l *Logs) adopt(id string, fd int) (*tracked, error) {
	is, err := stat(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	t := &tracked{id: id, fd: fd, is: is, size: is.size, wd: -1, deleted: is.links == 0}
	h, count, prev, last, err := l.index(id).load()
	t.indexErr = l.indexError(id, err)
	t.start, t.max, t.count, t.prev, t.last = h.start, h.max, count, prev, last
	if h.max == 0 { // there is no index: what was freed is told by the holes
		t.count, t.start = -1, nextData(fd, 0, is.size)
	}
	l.logs[id] = t
	if last.off > is.size || h.start > is.size {
		t.truncated = true
		l.restart(t, is.size)
	}
	return t, nil
}

// restart begins a new index at size: the file is another one, or was truncated. An empty log has none before its first line.
func (l *Logs) restart(t *tracked, size int64) {
	if t.start >= size {
		t.start = 0
	}
	t.gen++
	t.count, t.prev, t.last = -1, stamp{}, stamp{}
	fresh := l.index(t.id).remove
	if size > 0 {
		fresh = func() error { return l.index(t.id).rewrite(t.header(), nil) }
	}
	t.indexErr = l.indexError(t.id, errors.Join(l.marks(t.id).truncated(size), fresh()))
	t.notify()
}

func (t *tracked) header() header { return header{start: t.start, max: max(t.max, minBytes)} }

// attach begins to watch.
func (l *Logs) attach(t *tracked) {
	t.attached, t.watched, t.ended = true, true, time.Time{}
	l.look(t)
	l.heat(t, time.Now())
	t.notify()
}

// release lets go of a log that nobody watches or reads.
func (l *Logs) release(t *tracked) {
	if t.refs == 0 && !t.watched && !t.attached {
		l.drop(t)
	}
}

// drop forgets a log. Its readers have descriptors of their own.
func (l *Logs) drop(t *tracked) {
	if t.gone {
		return
	}
	t.gone = true
	l.disarm(t)
	_ = unix.Close(t.fd)
	if l.logs[t.id] == t {
		delete(l.logs, t.id)
	}
}

func (l *Logs) disarm(t *tracked) {
	if t.wd >= 0 {
		delete(l.wds, t.wd)
		l.w.disarm(t.wd)
		t.wd = -1
	}
}

// notify wakes the followers.
func (t *tracked) notify() {
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}

// waiting is a channel that the next notify closes.
func (t *tracked) waiting() <-chan struct{} {
	if t.wake == nil {
		t.wake = make(chan struct{})
	}
	return t.wake
}

func (l *Logs) indexError(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot index log %q: %w", id, err)
}
