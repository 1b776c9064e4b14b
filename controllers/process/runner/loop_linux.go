package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run waits for the ends of runs until ctx ends, and returns nil then. notify is called for each run that ended, after its exit
// was written and the rest of its tree was killed; Get tells the exit then. It is called by Run's goroutine and must not block.
// Runs that Open found ended are listed, not notified.
func (r *Runner) Run(ctx context.Context, notify func(id string)) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken // Close gives the descriptor back
		}
	}()
	var events [128]unix.EpollEvent
	for {
		r.tell(notify)
		if ctx.Err() != nil {
			return nil
		}
		n, err := r.wait(events[:])
		if err != nil {
			return fmt.Errorf("cannot wait for processes: %w", err)
		}
		for _, e := range events[:n] {
			r.handle(e)
			r.tell(notify)
		}
		r.mu.Lock()
		r.overdue(time.Now())
		r.table = nil
		r.mu.Unlock()
		r.tidy(time.Now())
	}
}

// wait waits for events, or the next deadline. It waits in the runtime's own poller and not in a system call: who was told of an exit would
// have to wait until the runtime notices that this thread is blocked, and takes its processor away.
func (r *Runner) wait(events []unix.EpollEvent) (n int, err error) {
	if err := r.loop.SetReadDeadline(r.deadline()); err != nil {
		return 0, err
	}
	conn, err := r.loop.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		n, failed = unix.EpollWait(int(fd), events, 0)
		return n != 0
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), failed == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	}
	return n, nil
}

// tell notifies of what ended and lets who was told act at once.
func (r *Runner) tell(notify func(id string)) {
	r.mu.Lock()
	told := r.told
	r.told = nil
	for _, p := range told {
		p.deadline = time.Now().Add(tidyAfter)
		r.timed[p] = true
	}
	r.mu.Unlock()
	for _, p := range told {
		notify(p.ID)
	}
	if len(told) > 0 {
		runtime.Gosched()
	}
}

// tidyAfter is how long the cgroup of an ended run waits to be removed: the kernel takes up to a millisecond for it, and the replacement
// goes first. When there is one its start removes it.
const tidyAfter = 200 * time.Millisecond

// tidy removes the cgroups of runs that ended a while ago. The claim must say that they took place.
func (r *Runner) tidy(now time.Time) {
	r.mu.Lock()
	var due []*proc
	for p := range r.timed {
		if p.phase == ended && !now.Before(p.deadline) {
			delete(r.timed, p)
			due = append(due, p)
		}
	}
	r.mu.Unlock()
	for _, p := range due {
		r.mu.Lock()
		remove := p.noted && r.procs[p.ID] == p && !r.busy[p.ID] // else Start or Forget removes it
		r.removing.Lock()
		r.mu.Unlock()
		if remove {
			removeGroup(p.group())
		}
		r.removing.Unlock()
	}
}

// deadline is the next one of all, zero when there is none.
func (r *Runner) deadline() (first time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.timed {
		if first.IsZero() || p.deadline.Before(first) {
			first = p.deadline
		}
		if !p.next.IsZero() && p.phase != ended && p.next.Before(first) {
			first = p.next
		}
	}
	return first
}

// handle deals with one event.
func (r *Runner) handle(e unix.EpollEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch int(e.Fd) {
	case r.wake:
		var b [8]byte
		unix.Read(r.wake, b[:])
		return
	case r.watch:
		r.recordsArrived()
		return
	}
	p := r.byFD[e.Fd]
	switch {
	case p == nil:
	case int(e.Fd) == p.events:
		r.drain(p, time.Now())
	case p.phase == running:
		r.exited(p)
	case p.phase == asking:
		r.ask(p)
		if p.phase == asking { // reaped, and the kernel cannot tell: only a record can
			r.poll(unix.EPOLL_CTL_DEL, p.pidfd, 0)
			delete(r.byFD, e.Fd)
		}
	}
}

// attend begins to wait for the end of a run. The lock is held.
func (r *Runner) attend(p *proc) {
	r.byFD[int32(p.pidfd)] = p
	if err := r.poll(unix.EPOLL_CTL_ADD, p.pidfd, unix.EPOLLIN); err != nil {
		r.o.Log.Error(err, "cannot wait for a process", "instance", p.ID, "pid", p.PID)
	}
}

// recordsArrived deals with the exit records that the guardian has just written. The lock is held.
func (r *Runner) recordsArrived() {
	var buf [16384]byte
	for {
		n, err := unix.Read(r.watch, buf[:])
		if err != nil || n <= 0 {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
			name := unix.ByteSliceToString(buf[at+unix.SizeofInotifyEvent : at+unix.SizeofInotifyEvent+int(e.Len)])
			at += unix.SizeofInotifyEvent + int(e.Len)
			if e.Mask&unix.IN_Q_OVERFLOW != 0 {
				r.askAgain()
				continue
			}
			r.recordArrived(name)
		}
	}
}

// recordArrived gives a record to the run that waits for it. One that belongs to no run is removed; one of a run whose end was
// not seen yet stays until it is.
func (r *Runner) recordArrived(name string) {
	data, err := os.ReadFile(r.exits + "/" + name)
	if err != nil {
		return
	}
	rec, ok := parseRecord(name, data)
	for _, p := range r.procs {
		if !ok || !p.ident.same(rec.ident) {
			continue
		}
		if p.phase == asking {
			r.ask(p)
		}
		if p.phase <= asking {
			return
		}
	}
	os.Remove(r.exits + "/" + name)
}

// askAgain looks for the records of all runs that wait for one.
func (r *Runner) askAgain() {
	for p := range r.timed {
		if p.phase == asking {
			r.ask(p)
		}
	}
}

// overdue deals with what has a deadline or a next round. The lock is held.
func (r *Runner) overdue(now time.Time) {
	for p := range r.timed {
		switch {
		case p.phase == asking && !now.Before(p.deadline):
			r.ask(p)
			if p.phase == asking {
				r.unknown(p)
			}
		case p.phase == draining && (!now.Before(p.deadline) || !p.next.IsZero() && !now.Before(p.next)):
			r.drain(p, now)
		}
	}
}
