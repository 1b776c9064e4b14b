package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// logFiles are the files of a ledger, read up to a place, with the book of what was read. One goroutine at a time uses them.
type logFiles struct {
	dir     string
	writing bool
	lock    *os.File // nil while there is no log
	held    bool     // the lock
	tail    *tail    // nil while there is no log
	book    *book
	told    func(what string, keys ...any)
	// switched is called before the file of tail is closed, after all of it is on the disk.
	switched func(to *tail)
}

// errBehind: files that were not read yet are gone, for a book has what they told.
var errBehind = errors.New("the log went on without us")

// load reads what there is, without holding up those who write.
func (g *logFiles) load() error {
	for range 100 { // each round somebody compacted the log while we read it
		err := g.loadOnce()
		if err == nil || !errors.Is(err, errBehind) {
			return err
		}
	}
	return fmt.Errorf("cannot read the ledger in %s: %w again and again", g.dir, errBehind)
}

func (g *logFiles) loadOnce() error {
	books, err := numbers(g.dir, bookExt)
	if err != nil {
		return err
	}
	b, number := newBook(), uint64(1)
	if n := len(books); n > 0 {
		number = books[n-1]
		if b, err = readBook(g.dir, number); err != nil {
			return gone(err)
		}
	}
	t, err := openTail(g.dir, number, g.writing)
	if notExist(err) {
		logs, e := numbers(g.dir, logExt)
		again, _ := numbers(g.dir, bookExt)
		if e != nil || len(again) > len(books) || len(again) > 0 && again[len(again)-1] != number {
			return errBehind
		}
		if len(logs) > 0 || len(books) > 0 {
			return &fault{filepath.Join(g.dir, fileName(number, logExt)), 0, "it is not there", restoreLog}
		}
		g.book = b
		return nil
	}
	if err != nil {
		return err
	}
	g.use(t, b)
	_, err = g.catchUp()
	return err
}

// gone makes of a file that went while we looked a reason to look again.
func gone(err error) error {
	if notExist(err) {
		return errBehind
	}
	return err
}

func (g *logFiles) use(t *tail, b *book) {
	if g.switched != nil {
		g.switched(t)
	}
	if g.tail != nil {
		g.tail.f.Close()
	}
	if b != nil {
		if g.book != nil && g.book.accounts != nil { // to be derived from what was read
			b.accounts, b.stale = &accounts{config: g.book.accounts.config}, true
		}
		g.book = b
	}
	g.tail = t
}

// openLock opens the lock of the log.
func (g *logFiles) openLock() (err error) {
	how := os.O_RDONLY
	if g.writing {
		how = os.O_RDWR | os.O_CREATE
	}
	g.lock, err = os.OpenFile(filepath.Join(g.dir, lockName), how, 0o600)
	return err
}

func (g *logFiles) hold() error {
	if err := flock(g.lock, syscall.LOCK_EX); err != nil {
		return err
	}
	g.held = true
	return nil
}

func (g *logFiles) release() {
	g.held = false
	_ = flock(g.lock, syscall.LOCK_UN) // it cannot fail for a file that is open
}

// size of the file of tail that nobody takes away again: a write that fails is cut off before the lock is given back.
func (g *logFiles) size() (int64, error) {
	if !g.held {
		if err := flock(g.lock, syscall.LOCK_SH); err != nil {
			return 0, err
		}
		defer func() { _ = flock(g.lock, syscall.LOCK_UN) }()
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(g.tail.f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat "+g.tail.f.Name(), err)
	}
	return st.Size, nil
}

// catchUp reads what others wrote. Whoever holds the lock cuts off the half of a write that a process left when it was killed.
func (g *logFiles) catchUp() (moved bool, err error) {
	for {
		size, err := g.size()
		if err != nil {
			return moved, err
		}
		if size == g.tail.off {
			return moved, nil
		}
		ended, err := g.read(size, &moved)
		if err != nil {
			return moved, err
		}
		if ended == 0 {
			return moved, g.cut(size)
		}
		next, err := openTail(g.dir, ended, g.writing)
		if err != nil {
			return moved, gone(err)
		}
		g.use(next, nil)
	}
}

// read applies the records before size. Ended is the number of the file that goes on.
func (g *logFiles) read(size int64, moved *bool) (ended uint64, err error) {
	var r record
	for t := g.tail; ; {
		at := t.off
		payload, _, err := t.next(size)
		if err != nil || payload == nil {
			return 0, err
		}
		if err = r.decode(payload); err == nil {
			err = g.book.apply(&r)
		}
		if err != nil {
			return 0, &fault{t.f.Name(), at, err.Error(), restoreLog}
		}
		*moved = true
		if r.kind == recEnd {
			if t.off != size {
				return 0, &fault{t.f.Name(), t.off, "something comes after its end", restoreLog}
			}
			return r.key, nil
		}
	}
}

// cut off what is not whole at the end. A record that is whole behind one that is not is damage.
func (g *logFiles) cut(size int64) error {
	t := g.tail
	if t.off >= size {
		return nil
	}
	damaged, err := t.follows(size)
	if err != nil {
		return err
	}
	if damaged || g.goesOn() {
		return &fault{t.f.Name(), t.off, "a record is not what was written, and others follow", restoreLog}
	}
	if !g.held || !g.writing {
		return nil
	}
	if err := t.f.Truncate(t.off); err != nil {
		return err
	}
	g.told("cut off a write that was not whole", "file", t.f.Name(), "at", t.off, "bytes", size-t.off)
	return nil
}

// goesOn tells whether a later file has records. One with a header alone is left of a process that was killed before it named it.
func (g *logFiles) goesOn() bool {
	later, _ := numbers(g.dir, logExt)
	for _, n := range later {
		if st, err := os.Stat(filepath.Join(g.dir, fileName(n, logExt))); err == nil && n > g.tail.number && st.Size() > headerSize {
			return true
		}
	}
	return false
}

// write puts whole records at the end, in one write, or nothing.
func (g *logFiles) write(records []byte) error {
	t := g.tail
	if _, err := t.f.WriteAt(records, t.off); err != nil {
		if e := t.f.Truncate(t.off); e != nil {
			err = errors.Join(err, e)
		}
		return err
	}
	t.off += int64(len(records))
	return nil
}

func (g *logFiles) close() {
	if g.tail != nil {
		g.tail.f.Close()
	}
	if g.lock != nil {
		g.lock.Close()
	}
}
