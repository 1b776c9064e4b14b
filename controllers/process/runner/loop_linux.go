package runner

import (
	"context"
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
	stop := context.AfterFunc(ctx, func() { unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	var events [128]unix.EpollEvent
	for {
		r.tell(notify)
		if ctx.Err() != nil {
			return nil
		}
		n, err := unix.EpollWait(r.epoll, events[:], r.timeout())
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("cannot wait for processes: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			r.handle(e)
			r.tell(notify)
		}
		r.mu.Lock()
		r.overdue(time.Now())
		r.table = nil
		r.mu.Unlock()
	}
}

// tell notifies of what ended, lets who was told act, and then removes its cgroup: a replacement does not wait for that, nor for
// another thread to wake up.
func (r *Runner) tell(notify func(id string)) {
	r.mu.Lock()
	told := r.told
	r.told = nil
	r.mu.Unlock()
	for _, p := range told {
		notify(p.ID)
	}
	if len(told) > 0 {
		runtime.Gosched()
	}
	for _, p := range told {
		r.mu.Lock()
		if p.cgroup != "" && p.noted && r.procs[p.ID] == p && !r.busy[p.ID] { // else Start or Forget removes it
			removeCgroup(p.cgroup)
		}
		r.mu.Unlock()
	}
}

// timeout is the time to the next deadline in milliseconds, -1 when there is none.
func (r *Runner) timeout() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.timed) == 0 {
		return -1
	}
	first := time.Now().Add(time.Minute)
	for p := range r.timed {
		if p.deadline.Before(first) {
			first = p.deadline
		}
		if !p.next.IsZero() && p.next.Before(first) {
			first = p.next
		}
	}
	return int(max(0, time.Until(first)+time.Millisecond-1) / time.Millisecond)
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
