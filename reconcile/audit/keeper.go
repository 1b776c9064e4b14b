package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// keeper does what no record waits for: it makes the chain durable up to a checkpoint and only then keeps that as the head, so that a head
// is never ahead of the disk; it closes files that are full, and removes old ones.
type keeper struct {
	*disk
	log   *Log
	chain string
	ended chan struct{}
	wake  chan struct{}

	mu   sync.Mutex
	todo keep
	full []*os.File

	// What follows is its goroutine's own.
	number  int       // of the file that is being written
	removed time.Time // when it last looked for what is too old
	last    error
}

// keep is what is to be done; what comes later replaces the head before it.
type keep struct {
	head   []byte
	file   *os.File
	number int
	done   *os.File // full
	retain bool
	end    bool
}

func newKeeper(l *Log, chain string, d *disk) *keeper {
	k := &keeper{disk: d, log: l, chain: chain, ended: make(chan struct{}), wake: make(chan struct{}, 1), number: 1}
	go k.run()
	return k
}

func (k *keeper) put(j keep) {
	k.mu.Lock()
	if j.head != nil {
		k.todo.head, k.todo.file, k.todo.number = j.head, j.file, j.number
	}
	if j.done != nil {
		k.full = append(k.full, j.done)
	}
	k.todo.retain = k.todo.retain || j.retain
	k.todo.end = k.todo.end || j.end
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// wait until all is done, after end.
func (k *keeper) wait() error {
	<-k.ended
	return k.last
}

func (k *keeper) run() {
	defer close(k.ended)
	for range k.wake {
		k.mu.Lock()
		j, full := k.todo, k.full
		k.todo, k.full = keep{}, nil
		k.mu.Unlock()
		if err := k.keepHead(j, full); err != nil {
			err = fmt.Errorf("cannot keep the head of audit log %q: %w", filepath.Join(k.log.o.Dir, k.chain), err)
			k.log.fail(err)
			k.last = err
		} else if j.head != nil {
			k.last = nil
		}
		if j.end {
			return
		}
		if j.retain || time.Since(k.removed) > time.Hour {
			k.removed = time.Now()
			if err := k.retain(); err != nil && err != errClosed {
				_ = k.record(nil, "nothing is removed: "+err.Error()) // no reason to refuse anybody; what cannot be written either says so itself
			}
		}
	}
}

func (k *keeper) keepHead(j keep, full []*os.File) (err error) {
	for _, f := range full {
		if e := k.sync(f); e != nil && err == nil {
			err = e
		}
		_ = f.Close() // it is on the disk, or has failed already
	}
	if j.head == nil || err != nil {
		return err
	}
	k.number = j.number
	if err := k.sync(j.file); err != nil {
		return err
	}
	return k.replace(filepath.Join(k.log.o.Dir, k.chain+headEnd), j.head)
}
