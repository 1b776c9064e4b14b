package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// info is what one look at a file tells.
type info struct {
	size, allocated int64
	dev, ino        uint64
	links           uint64
	modified        time.Time
}

// openFile opens a regular file; a last component that is a symbolic link is refused unless follow.
func openFile(path string, flags int, perm uint32, follow bool) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NONBLOCK // a pipe that somebody put there must not hold us up
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	fd := -1
	err := ignoringEINTR(func() (err error) {
		fd, err = unix.Open(path, flags, perm)
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("%s is not a regular file", path)
	}
	return fd, nil
}

func stat(fd int) (info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return info{}, err
	}
	return asInfo(&st), nil
}

func statPath(path string) (info, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return info{}, err
	}
	return asInfo(&st), nil
}

func asInfo(st *unix.Stat_t) info {
	sec, nsec := st.Mtim.Unix()
	return info{
		size: st.Size, allocated: st.Blocks * 512, dev: uint64(st.Dev), ino: st.Ino, links: uint64(st.Nlink), //nolint:unconvert // differs by system
		modified: time.Unix(sec, nsec),
	}
}

func (a info) sameFile(b info) bool { return a.dev == b.dev && a.ino == b.ino }

func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// readAt reads as much as there is; 0 at the end.
func readAt(fd int, b []byte, off int64) (n int, err error) {
	err = ignoringEINTR(func() (err error) {
		n, err = unix.Pread(fd, b, off)
		return err
	})
	return max(n, 0), err
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// canPunch tries, in the directory itself, whether holes can be punched. What cannot be tried is taken to work: each log tells.
func canPunch(dir string) error {
	path := filepath.Join(dir, ".probe")
	_ = os.Remove(path)
	fd, err := openFile(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600, false)
	if err != nil {
		return nil
	}
	defer os.Remove(path)
	defer unix.Close(fd)
	if err := punch(fd, 0, blockSize); errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
