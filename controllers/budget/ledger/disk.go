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

	mu     sync.Mutex // of what follows, and of file against being closed
	file   *os.File
	sync   func(*os.File) error
	synced int64
	lost   int64 // what may not be on the disk though the kernel will say so
}

var errLost = errors.New("the disk did not take what was written")

// upTo returns when all before a place is on the disk.
func (d *disk) upTo(place int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if place <= d.lost {
		return errLost
	}
	if place <= d.synced {
		return nil
	}
	end := d.written.Load()
	if err := d.sync(d.file); err != nil {
		d.lost = end
		return err
	}
	d.synced = end
	return nil
}

// turn to another file, after the one before is on the disk.
func (d *disk) turn(file *os.File, place int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file != nil {
		if err := d.sync(d.file); err != nil {
			d.lost = place
		}
	}
	d.file, d.synced = file, place
	d.written.Store(place)
}

// doubtful tells whether something may not be on the disk, so that the whole must be written anew.
func (d *disk) doubtful() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost > 0
}

// sure again, after all was written anew.
func (d *disk) sure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = 0
}
