package store

import (
	"fmt"
	"time"
)

const (
	// flushAfter is how long a lazy change waits for a commit to go with.
	flushAfter = time.Second
	// flushRetryMax bounds the wait after failed flushes.
	flushRetryMax = time.Minute
)

// batch is one commit.
type batch struct {
	txns     []*staged
	lazy     []overlaid // parallel to lazyKeys
	lazyKeys []Key
	heal     map[blobKey][]byte
	reserved int64
}

// commitLoop is the only writer of the disk. It ends when kick is closed and all is written, or cannot be.
func (s *Store) commitLoop() {
	defer close(s.ended)
	for open := true; open; {
		_, open = <-s.kick
		for b := s.take(); b != nil; b = s.take() {
			undo, err := s.disk.commit(s.writes(b), b.reserved)
			if err != nil {
				s.fail(b, undo, fmt.Errorf("cannot write to disk: %w", err))
			} else {
				s.succeed(b)
			}
		}
	}
}

// wake tells the committer that there is something to do. mu is held.
func (s *Store) wake() {
	if s.closed {
		return // it looks once more before it ends
	}
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// take answers what to commit next, nil when there is nothing.
func (s *Store) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.flushDue && (len(s.dirty) > 0 || len(s.heal) > 0)
	s.flushDue = false
	if len(s.queue) == 0 && !due {
		return nil
	}
	b := &batch{txns: s.queue, heal: s.heal, reserved: s.reserved}
	for k := range s.dirty {
		b.lazyKeys = append(b.lazyKeys, k)
		b.lazy = append(b.lazy, overlaid{obj: s.tables[k.Kind].get(k)})
	}
	s.dirty, s.heal = map[Key]struct{}{}, map[blobKey][]byte{}
	if s.flush != nil {
		s.flush.Stop()
		s.flush = nil
	}
	last := s.rev
	if n := len(b.txns); n > 0 {
		last = b.txns[n-1].rev
	}
	if last+reserveAhead/2 > b.reserved {
		b.reserved = last + reserveAhead
	}
	return b
}

// writes lists what the batch writes, oldest first.
func (s *Store) writes(b *batch) []write {
	var out []write
	for k, v := range b.heal {
		out = append(out, write{bucketBlobs, k.bucket, k.key, v})
	}
	for i, k := range b.lazyKeys {
		w, err := s.encode(k, b.lazy[i].obj)
		if err != nil { // one bad object must not keep the others from the disk
			s.log.Error(err, "cannot keep object")
			continue
		}
		out = append(out, w)
	}
	for _, st := range b.txns {
		out = append(out, st.writes...)
	}
	return out
}

// succeed makes the batch visible.
func (s *Store) succeed(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved = b.reserved
	if s.retry > 0 {
		s.retry = 0
		s.log.Info("disk can be written again")
	}
	for _, st := range b.txns {
		s.apply(st)
		for _, c := range st.changes {
			if s.overlay[c.key].rev == st.rev {
				delete(s.overlay, c.key)
			}
		}
		for _, w := range st.writes {
			if k := (blobKey{w.bucket, w.key}); s.blobs[k] == st.rev {
				delete(s.blobs, k)
			}
		}
		close(st.done)
	}
	s.queue = append([]*staged(nil), s.queue[len(b.txns):]...)
}

// fail gives every transaction that is not durable the error. What the batch may have left on disk is written anew later.
func (s *Store) fail(b *batch, undo []write, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retry == 0 {
		s.log.Error(err, "disk cannot be written", "transactions", len(b.txns), "lazy", len(b.lazyKeys))
	}
	for _, k := range b.lazyKeys {
		s.dirty[k] = struct{}{}
	}
	for _, w := range undo {
		s.heal[blobKey{w.bucket, w.key}] = w.value
	}
	for k, v := range b.heal { // older, so what can be seen
		s.heal[k] = v
	}
	s.failure = err
	if len(b.txns) > 0 {
		s.failures++
		for _, st := range s.queue {
			st.err = err
			close(st.done)
		}
		for _, st := range b.txns {
			for _, c := range st.changes {
				s.dirty[c.key] = struct{}{}
			}
		}
		s.queue = nil
		clear(s.overlay)
		clear(s.blobs)
	}
	s.retry = min(max(2*s.retry, flushAfter), flushRetryMax)
	s.armFlush(s.retry)
}

func (s *Store) markDirty(changes []*change) {
	for _, c := range changes {
		s.dirty[c.key] = struct{}{}
	}
	s.armFlush(flushAfter)
}

// armFlush asks for a commit after d, unless one is asked for already. mu is held.
func (s *Store) armFlush(d time.Duration) {
	if s.flush != nil || s.closed {
		return
	}
	s.flush = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flushDue, s.flush = true, nil
		s.wake()
	})
}
