package logs

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The index of a log is a header and one stamp for each look:
//
//	"MLOGIDX1"  start of the window  bytes to keep  0      (8 bytes each, little endian)
//	nanoseconds since 1970, offset                         (8 bytes each), any number of times
//
// A stamp says that every byte before its offset was there at its time. Offsets only grow; times are the wall clock's and may
// step back. Stamps are written at their place, not appended, so that the next one repairs a torn one.
const (
	indexMagic = "MLOGIDX1"
	headerSize = 32
	stampSize  = 16
)

type stamp struct {
	at  int64 // nanoseconds since 1970
	off int64
}

func (s stamp) time() time.Time { return time.Unix(0, s.at) }

type header struct{ start, max int64 }

// index is the path of an index file. Its methods open and close it: a log that rests holds nothing open for it.
type index string

func (x index) open(flags int) (int, error) { return openFile(string(x), flags, 0o600, false) }

// load reads the header and the newest stamps. What is not an index counts as an empty one.
func (x index) load() (h header, count int, prev, last stamp, err error) {
	fd, err := x.open(unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return h, 0, prev, last, nil
	}
	if err != nil {
		return h, 0, prev, last, err
	}
	defer unix.Close(fd)
	h, ok := readHeader(fd)
	st, err := stat(fd)
	if !ok || err != nil {
		return header{}, 0, prev, last, err
	}
	count = int((st.size - headerSize) / stampSize)
	from := max(0, count-256)
	tail, err := readStamps(fd, from, count)
	if len(tail) == 0 && from > 0 { // a crash of the host may leave zeros at the end
		from = 0
		tail, err = readStamps(fd, from, count)
	}
	count = from + len(tail)
	if whole := int64(headerSize + count*stampSize); err == nil && st.size > whole {
		_ = os.Truncate(string(x), whole) // the next stamp would go there anyway
	}
	if n := len(tail); n > 0 {
		last = tail[n-1]
	}
	if n := len(tail); n > 1 {
		prev = tail[n-2]
	}
	return h, count, prev, last, err
}

// all reads every stamp.
func (x index) all() ([]stamp, error) {
	fd, err := x.open(unix.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	st, err := stat(fd)
	if _, ok := readHeader(fd); !ok || err != nil {
		return nil, err
	}
	return readStamps(fd, 0, int((st.size-headerSize)/stampSize))
}

func readHeader(fd int) (header, bool) {
	var b [headerSize]byte
	if n, err := readAt(fd, b[:], 0); err != nil || n < headerSize || string(b[:8]) != indexMagic {
		return header{}, false
	}
	h := header{start: int64(binary.LittleEndian.Uint64(b[8:])), max: int64(binary.LittleEndian.Uint64(b[16:]))}
	return h, h.start >= 0
}

// readStamps reads the stamps [from, to) up to the first one that cannot be.
func readStamps(fd, from, to int) ([]stamp, error) {
	b := make([]byte, max(0, to-from)*stampSize)
	n := 0
	for n < len(b) {
		m, err := readAt(fd, b[n:], int64(headerSize+from*stampSize+n))
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	out := make([]stamp, 0, n/stampSize)
	low := int64(0)
	for b = b[:n]; len(b) >= stampSize; b = b[stampSize:] {
		s := stamp{at: int64(binary.LittleEndian.Uint64(b)), off: int64(binary.LittleEndian.Uint64(b[8:]))}
		if s.at <= 0 || s.off <= 0 || s.off < low {
			break
		}
		low = s.off
		out = append(out, s)
	}
	return out, nil
}

// put writes the stamp with number n.
func (x index) put(n int, s stamp) error {
	fd, err := x.open(unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAt(fd, appendStamp(make([]byte, 0, stampSize), s), int64(headerSize+n*stampSize))
}

// setHeader writes the header of an index that is there.
func (x index) setHeader(h header) error {
	fd, err := x.open(unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeAt(fd, appendHeader(nil, h), 0)
}

// rewrite puts another index in its place, whole or not at all.
func (x index) rewrite(h header, stamps []stamp) error {
	b := appendHeader(make([]byte, 0, headerSize+len(stamps)*stampSize), h)
	for _, s := range stamps {
		b = appendStamp(b, s)
	}
	return replaceFile(string(x), b)
}

func (x index) remove() error { return removeFile(string(x)) }

func appendHeader(b []byte, h header) []byte {
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.start))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.max))
	return binary.LittleEndian.AppendUint64(b, 0)
}

func appendStamp(b []byte, s stamp) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(s.at))
	return binary.LittleEndian.AppendUint64(b, uint64(s.off))
}

// maxStamps bounds the index of a log that keeps so many bytes.
func maxStamps(maxBytes int64) int { return int(min(max(maxBytes/1024, 1024), 64<<10)) }

// thin drops what lies behind the window, then every other one of the older stamps until at most n are left. The newest
// quarter keeps its precision for longest.
func thin(stamps []stamp, start int64, n int) []stamp {
	behind := 0
	for behind+1 < len(stamps) && stamps[behind+1].off <= start {
		behind++
	}
	stamps = stamps[behind:]
	for len(stamps) > n {
		old := len(stamps) - n/4
		kept := stamps[:0:0]
		for i, s := range stamps {
			if i >= old || i%2 == 0 {
				kept = append(kept, s)
			}
		}
		stamps = kept
	}
	return stamps
}

// timeOf finds when the byte at off was there: the time of the first stamp behind it.
func timeOf(stamps []stamp, off int64) (time.Time, bool) {
	lo, hi := 0, len(stamps)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); stamps[mid].off > off {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == len(stamps) {
		return time.Time{}, false
	}
	return stamps[lo].time(), true
}

// offsetSince finds an offset before which everything is older than t. It looks from the newest on, so that a clock that was
// set back hides nothing that was written after t.
func offsetSince(stamps []stamp, t time.Time) int64 {
	at := t.UnixNano()
	switch year := t.Year(); { // that far away nanoseconds overflow
	case year > 2261:
		at = math.MaxInt64
	case year < 1678:
		at = math.MinInt64
	}
	off := int64(0)
	for i := len(stamps) - 1; i >= 0; i-- {
		if stamps[i].at < at {
			off = stamps[i].off
			break
		}
	}
	return off
}

// writeAt writes all of b or fails.
func writeAt(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n := 0
		err := ignoringEINTR(func() (err error) {
			n, err = unix.Pwrite(fd, b, off)
			return err
		})
		if err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// removeFile removes a file that may be gone already.
func removeFile(path string) error {
	err := ignoringEINTR(func() error { return unix.Unlink(path) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &os.PathError{Op: "remove", Path: path, Err: err}
}

// replaceFile puts a file with that content in place, whole or not at all (of a power cut it promises less).
func replaceFile(path string, b []byte) error {
	tmp := path + "~"
	_ = os.Remove(tmp)
	fd, err := openFile(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600, false)
	if err != nil {
		return err
	}
	err = writeAt(fd, b, 0)
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}
