package ledger

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
)

// disk makes what was written durable, for all who ask at once with one fdatasync(2). Places count the bytes of the log since it was opened.
type disk struct {
	written atomic.Int64

	synced atomic.Int64
	lost   atomic.Int64 // what may not be on the disk though the kernel will say so

	sync func(*os.File) error

	mu   sync.Mutex // of file, also against being closed, and held while synced and lost move
	file *os.File
}

var errLost = errors.New("the disk did not take what was written")

// upTo returns when all before a place is on the disk.
func (d *disk) upTo(place int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if place <= d.lost.Load() {
		return errLost
	}
	if place <= d.synced.Load() {
		return nil
	}
	end := d.written.Load()
	if err := d.sync(d.file); err != nil {
		d.lost.Store(end)
		return err
	}
	d.synced.Store(end)
	return nil
}

// behind is how much was written that is not known to be on the disk.
func (d *disk) behind() int64 { return d.written.Load() - d.synced.Load() }

// ease makes durable what is before a place in a file, and holds up nobody meanwhile: the file is opened for it. (What the kernel could not write it tells to
// each that had the file open, so that nobody's news is lost.)
func (d *disk) ease(name string, end int64) {
	f, err := os.Open(name)
	if err != nil {
		return // whoever ends the file syncs it
	}
	err = d.sync(f)
	f.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.lost.Store(max(d.lost.Load(), end))
	} else {
		d.synced.Store(max(d.synced.Load(), end))
	}
}

// turn to another file, after the one before is on the disk.
func (d *disk) turn(file *os.File, place int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		if err := d.sync(d.file); err != nil {
			d.lost.Store(place)
		}
	}
	d.file = file
	d.written.Store(place)
	d.synced.Store(place)
}

// doubtful tells whether something may not be on the disk, so that the whole must be written anew.
func (d *disk) doubtful() bool { return d.lost.Load() > 0 }

// sure again, after all was written anew.
func (d *disk) sure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost.Store(0)
}
