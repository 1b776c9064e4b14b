package source

import (
	"time"

	"golang.org/x/sys/unix"
)

// inode is a file's identity while it lives.
type inode struct{ dev, ino uint64 }

// stamp is all of a file's metadata that changes when its content, owner or mode does.
type stamp struct {
	inode
	size         int64
	mtime, ctime int64
	mode, uid    uint32
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{
		inode: inode{uint64(st.Dev), st.Ino}, //nolint:unconvert // int32 on darwin
		size:  st.Size,
		mtime: st.Mtim.Nano(),
		ctime: st.Ctim.Nano(),
		mode:  uint32(st.Mode), //nolint:unconvert // uint16 on darwin
		uid:   st.Uid,
	}
}

func (s stamp) typ() uint32 { return s.mode & unix.S_IFMT }

// last is when the file changed last, on the file system's clock.
func (s stamp) last() time.Time { return time.Unix(0, max(s.mtime, s.ctime)) }

// what names the type of something that is not a regular file.
func (s stamp) what() string {
	switch s.typ() {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	default:
		return "not a regular file"
	}
}

func lstat(path string) (stamp, error) {
	var st unix.Stat_t
	for {
		err := unix.Lstat(path, &st)
		if err == unix.EINTR {
			continue
		}
		return stampOf(&st), err
	}
}

func stat(path string) (stamp, error) {
	var st unix.Stat_t
	for {
		err := unix.Stat(path, &st)
		if err == unix.EINTR {
			continue
		}
		return stampOf(&st), err
	}
}

// absent tells errors that mean: it is not there.
func absent(err error) bool { return err == unix.ENOENT || err == unix.ENOTDIR }

// passing tells errors that go away by themselves, without an event.
func passing(err error) bool {
	switch err {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EIO, unix.ESTALE, unix.EAGAIN, unix.EINTR:
		return true
	}
	return false
}
