package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Run looks at the logs that move: it indexes them, frees what is behind their windows and wakes followers. It blocks until the
// context ends and does nothing while nothing writes. What is written while it does not run is caught up with later.
func (l *Logs) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.w.kick)
	defer stop()
	for ctx.Err() == nil {
		next := l.tick()
		l.tell()
		if err := l.w.wait(next, l.event); err != nil {
			return fmt.Errorf("cannot watch the logs in %q: %w", l.dir, err)
		}
	}
	return ctx.Err()
}

// tick looks at the logs whose time has come and returns when the next one's comes; zero when none will.
func (l *Logs) tick() (next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	interval := l.interval()
	kept := l.hot[:0]
	for _, t := range l.hot {
		if t.gone {
			continue
		}
		if !t.due.After(now.Add(interval / 4)) {
			t.due = l.settle(t, interval)
		}
		if f := t.faults(); f != t.told {
			t.told, l.ill = f, append(l.ill, t.id)
		}
		if t.due.IsZero() {
			l.cooled(t)
			continue
		}
		kept = append(kept, t)
		if next.IsZero() || t.due.Before(next) {
			next = t.due
		}
	}
	clear(l.hot[len(kept):])
	l.hot = kept
	return next
}

// tell passes on whose health changed. No lock is held meanwhile: whoever hears it may ask for the Health.
func (l *Logs) tell() {
	l.mu.Lock()
	ill := l.ill
	l.ill = nil
	l.mu.Unlock()
	for _, id := range ill {
		l.o.Changed(id)
	}
}

func (l *Logs) interval() time.Duration {
	return max(l.o.Interval, time.Duration(len(l.hot))*perLog)
}

// settle looks at a log and says when to look again; never (zero) when it rests and inotify is armed.
func (l *Logs) settle(t *tracked, interval time.Duration) time.Time {
	if l.look(t) {
		return time.Now().Add(interval)
	}
	if t.wd < 0 {
		wd, err := l.w.arm(t.fd)
		if err != nil {
			return time.Now().Add(retryInterval)
		}
		t.wd = wd
		l.wds[wd] = t
		l.checkName(t)
		if l.look(t) { // between the look before and the arming
			return time.Now().Add(interval)
		}
	}
	if t.indexErr != nil {
		return time.Now().Add(retryInterval)
	}
	return time.Time{}
}

// cooled lets go of a log that has come to rest after its run, when nobody can write to it any more.
func (l *Logs) cooled(t *tracked) {
	if !t.attached && t.watched && !hasWriter(t.fd) {
		t.watched = false
		t.notify()
		l.release(t)
	}
}

// event notes that inotify told of a log: an idle one is looked at now, a busy one when its time comes.
func (l *Logs) event(wd int32, renamed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wd < 0 { // some were lost
		for _, t := range l.logs {
			if t.watched {
				l.heat(t, time.Now())
			}
		}
		return
	}
	t := l.wds[wd]
	if t == nil {
		return
	}
	delete(l.wds, wd)
	t.wd = -1
	if renamed {
		l.checkName(t)
	}
	due := t.sampled.Add(l.interval())
	if now := time.Now(); !due.After(now) {
		l.look(t)
		due = now.Add(l.interval())
	}
	l.heat(t, due)
	if !t.attached {
		t.notify() // the last writer may be gone
	}
}

// checkName tells whether the log is still the file that has its name.
func (l *Logs) checkName(t *tracked) {
	named, err := statPath(l.path(t.id))
	t.deleted = err != nil || !named.sameFile(t.is)
}

// heat has a log looked at by then.
func (l *Logs) heat(t *tracked, due time.Time) {
	switch {
	case t.due.IsZero():
		t.due = due
		l.hot = append(l.hot, t)
	case due.Before(t.due):
		t.due = due
	default:
		return
	}
	l.w.kick()
}

// look takes one look and tells whether the log moved.
func (l *Logs) look(t *tracked) (moved bool) {
	is, err := stat(t.fd)
	if err != nil {
		t.indexErr = l.indexError(t.id, err)
		return false
	}
	at := l.lookTime(t, is)
	t.sampled = time.Now()
	t.deleted = t.deleted || is.links == 0
	if is.size < t.size {
		t.truncated = true
		l.restart(t, is.size)
	}
	moved = is.size != t.size
	t.size = is.size
	switch {
	case is.size > t.last.off:
		t.indexErr = l.indexError(t.id, l.record(t, stamp{at: at.UnixNano(), off: is.size}))
	case t.indexErr != nil:
		t.indexErr = l.indexError(t.id, l.repair(t))
	}
	l.punch(t, is)
	if moved {
		t.notify()
	}
	return moved
}

// lookTime is now; what was written while nobody watched gets the time of the last write.
func (l *Logs) lookTime(t *tracked, is info) time.Time {
	now := l.o.Now()
	if m := is.modified.Add(modifiedSlack); t.sampled.IsZero() && m.Before(now) && m.UnixNano() > t.last.at {
		return m
	}
	return now
}

// repair tries again what went wrong in an index that has nothing new to say.
func (l *Logs) repair(t *tracked) error {
	if t.count < 0 {
		return l.index(t.id).rewrite(t.header(), nil)
	}
	return l.index(t.id).setHeader(t.header())
}

// record writes a stamp, and thins the index out when it has become too long.
func (l *Logs) record(t *tracked, s stamp) error {
	x, most := l.index(t.id), maxStamps(t.max)
	switch {
	case t.count < 0:
		if err := x.rewrite(t.header(), []stamp{s}); err != nil {
			return err
		}
		t.count = 0
	case t.count >= most+most/4:
		all, err := x.all()
		if err != nil {
			return err
		}
		all = append(thin(all, t.start, most), s)
		if err := x.rewrite(t.header(), all); err != nil {
			return err
		}
		t.count = len(all) - 1
	default:
		if err := x.put(t.count, s); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				t.count = -1
			}
			return err
		}
	}
	t.count++
	t.prev, t.last = t.last, s
	return nil
}

// punch frees what is behind the window once a quarter more than the window is on disk. A log whose blocks do not become fewer
// by that (a workload that fills old holes, a file system that reserves ahead) is tried again at most once a second.
func (l *Logs) punch(t *tracked, is info) {
	if t.max == 0 || is.allocated <= t.max+t.max/4 {
		return
	}
	if l.noPunch != nil {
		t.punchErr = l.noPunch
		return
	}
	to := (is.size - t.max) &^ (blockSize - 1)
	from := t.start
	if to <= 0 {
		return
	}
	if to-from < max(blockSize, t.max/8) {
		if time.Since(t.punched) < retryInterval {
			return
		}
		from = 0
	}
	if t.punched.IsZero() {
		from = 0 // whoever was here before may have died between header and hole
	}
	t.punched = time.Now()
	holes := t.start
	t.start = max(t.start, to)
	if t.count >= 0 {
		if err := l.index(t.id).setHeader(t.header()); err != nil {
			t.indexErr = l.indexError(t.id, err) // freeing goes first: it may be what the index waits for
		}
	}
	t.punchErr = nil
	if err := free(t.fd, from, holes, to); err != nil {
		t.punchErr = fmt.Errorf("cannot free the oldest lines of log %q: %w", t.id, err)
	}
}

// free punches [from, to). Up to holes it should be free already and takes one step; the rest takes small ones, so that the
// writer never waits long.
func free(fd int, from, holes, to int64) error {
	if holes = min(holes, to) &^ (blockSize - 1); from < holes {
		if err := punch(fd, from, holes); err != nil {
			return err
		}
		from = holes
	}
	for from &^= blockSize - 1; from < to; from += punchStep {
		if err := punch(fd, from, min(from+punchStep, to)); err != nil {
			return err
		}
	}
	return nil
}
