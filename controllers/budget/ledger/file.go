package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	lockName       = "lock"
	generationsDir = "generations"
	logExt         = ".log"
	bookExt        = ".book"
)

// fault is what is wrong at a place of the log.
type fault struct {
	file   string
	offset int64
	what   string
	todo   string
}

func (f *fault) Error() string {
	return fmt.Sprintf("the ledger is damaged: %s at byte %d: %s; %s", f.file, f.offset, f.what, f.todo)
}

const (
	restoreLog  = "put the file back from a backup, or move the whole directory away, and all budgets begin with nothing used"
	restoreBook = "put the file back from a backup; or remove it when the files before it are still there, from which it was made"
)

func fileName(number uint64, ext string) string { return fmt.Sprintf("%010d%s", number, ext) }

// numbers of the files of a kind in dir, rising.
func numbers(dir, ext string) ([]uint64, error) {
	entries, err := os.ReadDir(dir) // sorted; ten digits are enough for ever
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range entries {
		if s, ok := strings.CutSuffix(e.Name(), ext); ok {
			if n, err := strconv.ParseUint(s, 10, 64); err == nil {
				out = append(out, n)
			}
		}
	}
	return out, nil
}

func header(magic string, number uint64) []byte {
	b := append(make([]byte, 0, headerSize), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint64(b, number)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkHeader of a file of ours. The version is looked at before anything that another version may have changed.
func checkHeader(name, magic string, number uint64, b []byte, todo string) error {
	if len(b) < headerSize || string(b[:8]) != magic {
		return &fault{name, 0, "it does not begin as a file of the ledger does", todo}
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v > version && v < 1<<16 {
		return fmt.Errorf("cannot read the ledger: %s is of format %d, and this program knows formats up to %d: start the newer version again that wrote it", name, v, version)
	}
	if string(b[:headerSize]) != string(header(magic, number)) {
		return &fault{name, 8, "its header is not right", todo}
	}
	return nil
}

// writeWhole makes a file appear whole and durable, or not at all.
func writeWhole(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

// sweep away what writeWhole left in the middle when its process was killed.
func (g *logFiles) sweep() {
	names, _ := filepath.Glob(filepath.Join(g.dir, "*.tmp"))
	for _, name := range names {
		_ = os.Remove(name)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return os.NewSyscallError("flock "+f.Name(), err)
		}
	}
}

// tail reads the records of a log file one after the other.
type tail struct {
	f      *os.File
	number uint64
	off    int64 // of the next record
	buf    []byte
	at     int64 // offset of buf
}

// openTail opens a log file. Writing asks for the right to write it.
func openTail(dir string, number uint64, writing bool) (*tail, error) {
	how := os.O_RDONLY
	if writing {
		how = os.O_RDWR
	}
	f, err := os.OpenFile(filepath.Join(dir, fileName(number, logExt)), how, 0)
	if err != nil {
		return nil, err
	}
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err == nil || errors.Is(err, io.EOF) {
		err = checkHeader(f.Name(), magicLog, number, b[:n], restoreLog)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tail{f: f, number: number, off: headerSize}, nil
}

const readChunk = 1 << 20

// next payload before size; nil at the end of what is whole. The payload holds until the next call.
func (t *tail) next(size int64) ([]byte, frameState, error) {
	want := frameSize
	for {
		have := t.window()
		if len(have) >= want || t.at+int64(len(t.buf)) >= size {
			payload, n, s := readFrame(have, t.number, t.off)
			if s == frameOK {
				t.off += int64(n)
				return payload, s, nil
			}
			if s == frameBad || t.at+int64(len(t.buf)) >= size {
				t.buf = nil // what is not whole may be written anew
				return nil, s, nil
			}
			want = n
			continue
		}
		chunk := make([]byte, min(max(readChunk, int64(want)), size-t.off))
		n, err := t.f.ReadAt(chunk, t.off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, frameBad, err
		}
		t.buf, t.at = chunk[:n], t.off
		if n < len(chunk) {
			size = t.off + int64(n)
		}
	}
}

// window is what of the buffer is not read yet.
func (t *tail) window() []byte {
	if t.off < t.at || t.off > t.at+int64(len(t.buf)) {
		t.buf, t.at = nil, t.off
	}
	return t.buf[t.off-t.at:]
}

// follows tells whether a whole record comes after the bad one at off: then it is no torn write.
func (t *tail) follows(size int64) (bool, error) {
	b := make([]byte, max(0, size-t.off))
	n, err := t.f.ReadAt(b, t.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	b = b[:n]
	for i := 1; i+frameSize < len(b); i++ {
		if _, _, s := readFrame(b[i:], t.number, t.off+int64(i)); s == frameOK {
			return true, nil
		}
	}
	return false, nil
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
