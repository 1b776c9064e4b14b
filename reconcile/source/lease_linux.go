package source

import (
	"time"

	"golang.org/x/sys/unix"
)

// writers tells whether somebody has the file open for writing. It asks for a read lease, which the kernel grants only when nobody
// has, and gives it back at once. known is false where leases are not to be had: a file of somebody else, some file systems.
func writers(fd int) (busy, known bool) {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	switch err {
	case nil:
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
		return false, true
	case unix.EAGAIN:
		return true, true
	}
	return false, false
}

// pause waits for less than the runtime's timers can: they round up to a millisecond when nothing else runs.
func pause(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil)
}
