package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// signEvery is how long a record waits for its signature at the most.
	signEvery = 250 * time.Millisecond
	// fileSize is where a file ends and the next begins. A record longer than that has a file of its own.
	fileSize = 64 << 20
)

// chain is the end of the chain that is being written. Whoever has the log's turn owns it.
type chain struct {
	*disk
	dir, name string
	key       ed25519.PrivateKey
	file      *os.File
	number    int
	begun     time.Time // when the file was, by the wall clock
	reached
	// torn: there may be more in the file than size says, of a write that failed.
	torn bool
	// nameless: the file is there, but its name may not be durable yet.
	nameless bool
	// patience is the size that the file may have before the next one is tried again, after that failed.
	patience int64
	buf      []byte
}

// reached is how far the chain is in the file. A write that fails leaves it as it was.
type reached struct {
	size int64
	seq  uint64
	prev digest
	// times of the lines of this file.
	times span
	// unsigned since then: when the first line after the last checkpoint was written. Zero: there is none.
	unsigned time.Time
	// head is the line of the last checkpoint.
	head []byte
}

// line adds a line to what is about to be written.
func (c *chain) line(at time.Time, body []byte) {
	start := len(c.buf)
	c.buf = appendPlace(c.buf, c.seq+1, c.prev, at)
	c.buf = append(c.buf, body...)
	c.buf = append(c.buf, '}', '\n')
	c.passed(c.buf[start:], at)
	if c.unsigned.IsZero() {
		c.unsigned = time.Now()
	}
}

func (c *chain) passed(line []byte, at time.Time) {
	c.seq++
	c.prev = digestOf(line)
	c.times.add(at)
}

// note adds a line of the log's own.
func (c *chain) note(at time.Time, n *note) {
	n.Seq, n.Prev, n.Time, n.Chain = c.seq+1, c.prev.String(), at, c.name
	line := noteLine(n)
	c.buf = append(c.buf, line...)
	c.passed(line, at)
}

// checkpoint adds a signature over the chain so far.
func (c *chain) checkpoint(at time.Time) {
	n := &note{Seq: c.seq + 1, Prev: c.prev.String(), Time: at, Kind: KindCheckpoint, Chain: c.name, From: c.times.from, To: c.times.to}
	line := sign(c.key, signedAs, noteLine(n))
	c.buf = append(c.buf, line...)
	c.passed(line, at)
	c.unsigned, c.head = time.Time{}, line
}

// put writes what fill adds, all of it or nothing.
func (c *chain) put(sync bool, fill func()) error {
	if err := c.heal(); err != nil {
		return err
	}
	before := c.reached
	c.buf = c.buf[:0]
	fill()
	err := c.write(c.file, c.buf)
	if err == nil && sync {
		err = c.sync(c.file)
	}
	if err != nil {
		c.reached, c.torn = before, true
		_ = c.heal() // else the next one tries again
		return fmt.Errorf("cannot write audit log %q: %w", c.path(c.number), err)
	}
	c.size += int64(len(c.buf))
	if cap(c.buf) > 4<<20 {
		c.buf = nil
	}
	return nil
}

// heal takes away what a failed write left, and does again what a new file's name still needs.
func (c *chain) heal() error {
	if c.torn {
		if err := c.truncate(c.file, c.size); err != nil {
			return fmt.Errorf("cannot mend audit log %q: %w", c.path(c.number), err)
		}
		c.torn = false
	}
	if c.nameless {
		if err := c.syncDir(c.dir); err != nil {
			return fmt.Errorf("cannot write audit log %q: %w", c.path(c.number), err)
		}
		c.nameless = false
	}
	return nil
}

// path of the file with a number.
func (c *chain) path(n int) string { return filepath.Join(c.dir, fileName(c.name, n)) }

// next begins the next file with what fill adds, and answers the one before it, which is still open; nil when there was none. After an
// error the chain is where it was.
func (c *chain) next(at time.Time, fill func()) (old *os.File, err error) {
	if err := c.heal(); err != nil {
		return nil, err
	}
	before, path := c.reached, c.path(c.number+1)
	_ = os.Remove(path + tempEnd) // of an attempt that failed
	file, err := c.create(path + tempEnd)
	if err != nil {
		return nil, fmt.Errorf("cannot make audit log %q: %w", path, err)
	}
	c.buf, c.times = c.buf[:0], span{}
	fill()
	if err = hold(file); err == nil { // before it has its name: whoever sees it knows that it is somebody's
		err = c.write(file, c.buf)
	}
	if err == nil {
		err = c.sync(file)
	}
	if err == nil {
		err = c.rename(path+tempEnd, path)
	}
	if err != nil {
		c.reached = before
		return nil, fmt.Errorf("cannot make audit log %q: %w", path, errors.Join(err, file.Close()))
	}
	old, c.begun = c.file, at
	c.file, c.number, c.size, c.nameless = file, c.number+1, int64(len(c.buf)), true
	return old, nil
}
