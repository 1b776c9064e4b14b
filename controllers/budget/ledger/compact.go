package ledger

import (
	"errors"
	"os"
	"path/filepath"
)

// compactIfLarge begins a new log file when the present one is large.
func (d *leader) compactIfLarge() {
	if d.log.tail.off < d.compactAt || d.log.tail.off < 2*d.compactAt && d.ease() {
		return
	}
	if err := d.compact(false); err != nil {
		d.compactAt = d.log.tail.off + d.l.options.SegmentBytes/4
		d.l.options.Log.Error(err, "cannot compact the ledger; it goes on as it is")
	}
}

// easeBytes that are not on the disk yet hold up nobody for long when they are made durable under the lock.
const easeBytes = 2 << 20

// ease has the disk take most of the log file before it is ended, without the lock: nothing may be in the next file before all of this one is on the disk, or
// a power cut would leave a hole. It tells whether there is anything to wait for.
func (d *leader) ease() bool {
	if d.l.disk.behind() < easeBytes {
		return false
	}
	if d.easing.CompareAndSwap(false, true) {
		name, end := d.log.tail.f.Name(), d.l.disk.written.Load()
		d.compacting.Go(func() {
			defer d.easing.Store(false)
			d.l.disk.ease(name, end)
		})
	}
	return true
}

// compact ends the log file with a record that names the next one, makes the facts coarser, and writes a book of all before the next one; then the
// files before the last book go: one book and what came after it stay, from which the new one can be derived again. The lock is held. Waiting is for
// a log of which something may not be on the disk: it is all right again when the book is there.
func (d *leader) compact(waiting bool) error {
	t, b := d.log.tail, d.log.book
	next := t.number + 1
	if err := writeWhole(filepath.Join(d.log.dir, fileName(next, logExt)), header(magicLog, next)); err != nil {
		return err
	}
	to, err := openTail(d.log.dir, next, true)
	if err != nil {
		return err
	}
	end := record{kind: recEnd, key: next}
	if err := d.log.write(appendFrame(nil, t.number, t.off, &end)); err != nil {
		to.f.Close()
		return err
	}
	b.fold()
	d.log.use(to, nil)
	content := b.encode(next)
	d.compactAt = max(d.l.options.SegmentBytes, int64(len(content)))
	if waiting {
		if err := finishCompact(d.log.dir, next, content); err != nil {
			return errors.Join(errLost, err)
		}
		d.l.disk.sure()
		return nil
	}
	d.compacting.Go(func() {
		if err := finishCompact(d.log.dir, next, content); err != nil {
			d.l.options.Log.Error(err, "cannot write a book of the ledger; its log files stay")
		}
	})
	return nil
}

func finishCompact(dir string, number uint64, content []byte) error {
	if err := writeWhole(filepath.Join(dir, fileName(number, bookExt)), content); err != nil {
		return err
	}
	books, err := numbers(dir, bookExt)
	if err != nil {
		return err
	}
	kept := uint64(0) // the book before
	for _, n := range books {
		if n < number {
			kept = n
		}
	}
	for _, ext := range []string{bookExt, logExt} {
		all, err := numbers(dir, ext)
		if err != nil {
			return err
		}
		for _, n := range all {
			if n < kept {
				err = errors.Join(err, os.Remove(filepath.Join(dir, fileName(n, ext))))
			}
		}
		if err != nil && !notExist(err) {
			return err
		}
	}
	return nil
}
