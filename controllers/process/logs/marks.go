package logs

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// mark is where a run begins. The file has 24 bytes for each: attempt, offset, nanoseconds since 1970, little endian. A log
// whose only run is its first has no such file.
type mark struct{ attempt, off, at int64 }

const (
	markSize = 24
	maxMarks = 1024
)

// marks is the path of the file with the runs of a log.
type marks string

// load reads the runs, oldest first. Offsets are put in order: a run that began in a log that was removed or truncated since
// has nothing left before the run after it.
func (m marks) load() ([]mark, error) {
	fd, err := openFile(string(m), unix.O_RDONLY, 0, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	is, err := stat(fd)
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(is.size, 2*maxMarks*markSize))
	n, err := readAt(fd, b, 0)
	if err != nil {
		return nil, err
	}
	var out []mark
	for b = b[:n]; len(b) >= markSize; b = b[markSize:] {
		k := mark{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), int64(binary.LittleEndian.Uint64(b[16:]))}
		if k.off < 0 || k.at <= 0 {
			break
		}
		out = append(out, k)
	}
	clampMarks(out, int64(^uint64(0)>>1))
	return out, nil
}

// clampMarks makes no run begin behind size, nor behind the run after it.
func clampMarks(ms []mark, size int64) {
	for i := len(ms) - 1; i >= 0; i-- {
		ms[i].off = min(ms[i].off, size)
		size = ms[i].off
	}
}

// add appends a run. The same attempt at the same place again is the same run. Nothing is written before the log's first byte: a log
// without marks is one run, and what ended before it said anything is none to read.
func (m marks) add(k mark) error {
	ms, err := m.load()
	if err != nil {
		return err
	}
	n, b := len(ms), make([]byte, 0, 2*markSize)
	switch {
	case n > 0 && ms[n-1].attempt == k.attempt && ms[n-1].off == k.off, n == 0 && k.off == 0:
		return nil
	case n >= maxMarks:
		return m.rewrite(append(ms[n-maxMarks/2:], k))
	case n == 0:
		b = appendMark(b, mark{attempt: k.attempt - 1, at: k.at})
	}
	fd, err := openFile(string(m), unix.O_WRONLY|unix.O_CREAT, 0o600, false)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAt(fd, appendMark(b, k), int64(n*markSize))
}

// truncated makes no run begin behind size.
func (m marks) truncated(size int64) error {
	ms, err := m.load()
	if err != nil || len(ms) == 0 {
		return err
	}
	clampMarks(ms, size)
	return m.rewrite(ms)
}

func (m marks) rewrite(ms []mark) error {
	b := make([]byte, 0, len(ms)*markSize)
	for _, k := range ms {
		b = appendMark(b, k)
	}
	return replaceFile(string(m), b)
}

func appendMark(b []byte, k mark) []byte {
	for _, v := range [...]int64{k.attempt, k.off, k.at} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}
