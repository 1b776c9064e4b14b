package source

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// errBusy: the file is being written, or could not be read for a reason that passes.
var errBusy = errors.New("somebody still has it open for writing")

// reading is what came of trying to read a file.
type reading struct {
	data  []byte
	stamp stamp
	// closed: it is certain that nobody had it open for writing.
	closed bool
	err    error
}

// reader reads files by the source's rules.
type reader struct {
	max      int64
	anyOwner bool
	uid      uint32 // the operator's
	writers  func(fd int) (busy, known bool)
}

// refused says why a file with this stamp is not read at all.
func (r reader) refused(st stamp) error {
	switch {
	case st.typ() != unix.S_IFREG:
		return fmt.Errorf("it is %s, not a regular file", st.what())
	case st.size > r.max:
		return fmt.Errorf("it has %d bytes, a manifest may have %d", st.size, r.max)
	case r.anyOwner:
		return nil
	case st.mode&0o002 != 0:
		return errors.New("others can write it (mode o+w), so it is not trusted: chmod o-w")
	case st.uid != 0 && st.uid != r.uid:
		return fmt.Errorf("it belongs to user %d, who can write it, so it is not trusted: chown it to the operator's user %d", st.uid, r.uid)
	}
	return nil
}

// read reads a regular file. It does not block, and gives errBusy when somebody is writing it; force reads it all the same.
func (r reader) read(path string, force bool) (res reading) {
	fd, err := open(path)
	if err != nil {
		res.err = err
		return res
	}
	defer unix.Close(fd)
	if res.stamp, res.err = fstat(fd); res.err != nil {
		return res
	}
	if res.err = r.refused(res.stamp); res.err != nil {
		return res
	}
	if !force {
		busy, known := r.writers(fd)
		if busy {
			res.err = errBusy
			return res
		}
		res.closed = known
	}
	if res.data, res.err = readAll(fd, res.stamp.size, r.max); res.err != nil || force {
		return res
	}
	if after, err := fstat(fd); err != nil || after != res.stamp || int64(len(res.data)) != after.size {
		res.data, res.err = nil, errBusy
	}
	return res
}

func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func fstat(fd int) (stamp, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(fd, &st)
		if err != unix.EINTR {
			return stampOf(&st), err
		}
	}
}

// readAll reads to the end of the file, which should be at size, and never more than limit bytes.
func readAll(fd int, size, limit int64) ([]byte, error) {
	buf := make([]byte, 0, size+1)
	for {
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("it has more than the %d bytes that a manifest may have", limit)
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

// fileErr says why a manifest cannot be read, and what to do where it is not plain.
func fileErr(rel string, err error) error {
	switch {
	case err == unix.ELOOP:
		return fmt.Errorf("cannot read %q: it is a loop of symbolic links", rel)
	case err == unix.ENOENT:
		return fmt.Errorf("cannot read %q: it is a symbolic link to something that is not there", rel)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot read %q: %w: let the operator's user read it", rel, err)
	}
	return fmt.Errorf("cannot read %q: %w", rel, err)
}
