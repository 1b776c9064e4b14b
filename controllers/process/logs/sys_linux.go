package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const watchMask = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_MOVE_SELF | unix.IN_ONESHOT

// watcher is one inotify descriptor. Each watch fires once.
type watcher struct {
	fd     int
	f      *os.File
	kicked atomic.Bool
	buf    [4096]byte
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot make an inotify instance: %w", err)
	}
	return &watcher{fd: fd, f: os.NewFile(uintptr(fd), "inotify")}, nil
}

func (w *watcher) close() error { return w.f.Close() }

// arm watches the file behind fd for its next change. It works for removed files too.
func (w *watcher) arm(fd int) (int32, error) {
	wd, err := unix.InotifyAddWatch(w.fd, procFD(fd), watchMask)
	return int32(wd), err
}

func (w *watcher) disarm(wd int32) { _, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) }

// kick ends a wait, or the next one when there is none.
func (w *watcher) kick() {
	w.kicked.Store(true)
	_ = w.f.SetReadDeadline(time.Unix(1, 0))
}

// wait blocks until something happened, the deadline passed (zero: there is none) or somebody kicked. A wd of -1 stands for all.
// What has happened already is told even when the deadline is over, so that busy logs hide no idle ones.
func (w *watcher) wait(deadline time.Time, event func(wd int32, renamed bool)) error {
	if n, err := unix.Read(w.fd, w.buf[:]); err == nil && n > 0 {
		w.tell(w.buf[:n], event)
		return nil
	}
	if err := w.f.SetReadDeadline(deadline); err != nil {
		return err
	}
	if w.kicked.Swap(false) {
		return nil
	}
	n, err := w.f.Read(w.buf[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err == nil {
		w.tell(w.buf[:n], event)
	}
	return err
}

// tell passes on events. That a watch is gone (IN_IGNORED) is one too: a watch that is armed again while the kernel is about to
// take it away after it fired has the same number, and goes with it. After any other event its number is not known any more.
func (w *watcher) tell(b []byte, event func(wd int32, renamed bool)) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
		b = b[unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(b[12:])):]
		event(wd, mask&(unix.IN_ATTRIB|unix.IN_MOVE_SELF) != 0)
	}
}

func procFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// punch frees a range of the file behind fd, which may be open for reading only.
func punch(fd int, from, to int64) error {
	w, err := unix.Open(procFD(fd), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(w)
	return ignoringEINTR(func() error {
		return unix.Fallocate(w, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, to-from)
	})
}

// nextData and nextHole tell where data and holes are, up to end.
func nextData(fd int, pos, end int64) int64 { return seek(fd, pos, end, unix.SEEK_DATA) }
func nextHole(fd int, pos, end int64) int64 { return seek(fd, pos, end, unix.SEEK_HOLE) }

func seek(fd int, pos, end int64, whence int) int64 {
	at, err := unix.Seek(fd, pos, whence)
	switch {
	case errors.Is(err, unix.ENXIO): // nothing more
		return end
	case err != nil && whence == unix.SEEK_DATA: // no holes here
		return pos
	case err != nil:
		return end
	}
	return min(at, end)
}

// hasWriter tells whether anybody has the file behind fd open for writing: only without one does the kernel grant a read lease.
func hasWriter(fd int) bool {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return errors.Is(err, unix.EAGAIN)
	}
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	return false
}

// openDeleted opens the removed file that a process still has open under that path; -1 when there is none.
// Standard output and error are looked at first, the others only when all is asked for.
func openDeleted(pid int, path string, all bool) int {
	if pid <= 0 {
		return -1
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(real, filepath.Base(path))
	}
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	names := []string{"1", "2"}
	if all {
		if f, err := os.Open(dir); err == nil {
			more, _ := f.Readdirnames(4096)
			_ = f.Close()
			names = append(names, more...)
		}
	}
	for _, n := range names {
		if to, err := os.Readlink(dir + "/" + n); err != nil || to != path+" (deleted)" {
			continue
		}
		if fd, err := openFile(dir+"/"+n, unix.O_RDONLY, 0, true); err == nil {
			return fd
		}
	}
	return -1
}
