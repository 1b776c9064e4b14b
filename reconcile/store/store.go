package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// reserveAhead is how many revisions are reserved on disk at once. What is left of them at a crash is never used.
const reserveAhead = 10000

// Store holds the objects. All its methods may be called from any goroutine.
type Store struct {
	codec Codec
	log   logr.Logger
	disk  *disk
	now   func() time.Time

	txn   sync.Mutex    // held while the function of a Txn runs
	kick  chan struct{} // wakes the committer; closed by Close
	ended chan struct{} // closed when the committer has ended

	mu     sync.RWMutex // guards everything below
	closed bool
	// rev is the newest revision that can be seen, next the newest that a transaction got, reserved the last that is reserved on disk.
	rev, next, reserved int64
	tables              map[string]*table
	history             history
	watches             map[*Watch]struct{}
	expiry              *time.Timer // runs while there is history

	// queue holds the transactions that ran and are not durable yet, in order; overlay is what they made of objects and blobs.
	queue   []*staged
	overlay map[Key]overlaid
	blobs   map[blobKey]int64
	// failures counts failed commits: a Txn that began before one may have read what never came to be.
	failures int64
	failure  error

	// dirty are the objects whose last change, or absence, may not be on disk; heal the blobs that a failed commit may have left there.
	dirty    map[Key]struct{}
	heal     map[blobKey][]byte
	flush    *time.Timer // runs while something is dirty
	flushDue bool
	retry    time.Duration
}

type overlaid struct {
	obj Object // nil when deleted
	rev int64
}

// Open opens the store at path and creates it when it is not there; its directory must exist. It reads everything. It answers ErrLocked
// when another process has it open, ErrNewer when a newer version wrote it, ErrDamaged when nothing of ours did.
func Open(path string, o Options) (*Store, error) {
	d, err := openDisk(path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		codec: o.Codec, log: o.Log, disk: d, now: time.Now,
		kick: make(chan struct{}, 1), ended: make(chan struct{}),
		tables: map[string]*table{}, watches: map[*Watch]struct{}{},
		overlay: map[Key]overlaid{}, blobs: map[blobKey]int64{}, dirty: map[Key]struct{}{}, heal: map[blobKey][]byte{},
		history: history{limit: o.History},
	}
	if s.history.limit <= 0 {
		s.history.limit = 10000
	}
	reserved, err := d.load(s.load)
	if err != nil {
		_ = d.db.Close()
		return nil, fmt.Errorf("cannot load store %q: %w", path, err)
	}
	for _, t := range s.tables {
		t.settle()
	}
	s.rev = reserved + 1
	s.next, s.reserved, s.history.gone = s.rev, s.rev, s.rev
	// On a full disk the store opens all the same: then the first change reserves.
	if _, err := d.commit(nil, s.rev+reserveAhead); err != nil {
		o.Log.Error(err, "cannot reserve revisions", "path", path)
	} else {
		s.reserved = s.rev + reserveAhead
	}
	go s.commitLoop()
	return s, nil
}

func (s *Store) load(kind, key string, value []byte) error {
	o, err := s.codec.Decode(kind, value)
	if err != nil {
		return fmt.Errorf("cannot decode %s %q: %w", kind, strings.ReplaceAll(key, "\x00", "/"), err)
	}
	ns, name, ok := strings.Cut(key, "\x00")
	if !ok {
		return fmt.Errorf("cannot decode %s %q: key without namespace", kind, key)
	}
	s.table(kind).set(Key{kind, ns, name}, o)
	return nil
}

// Close writes what is still lazy, ends all watches and closes the file. Reading goes on working; transactions answer ErrClosed.
func (s *Store) Close() error {
	s.txn.Lock() // no Txn is running its function
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.txn.Unlock()
		<-s.ended
		return nil
	}
	s.closed = true
	s.flushDue = true
	for _, t := range []*time.Timer{s.flush, s.expiry} {
		if t != nil {
			t.Stop()
		}
	}
	for w := range s.watches {
		w.signal()
	}
	close(s.kick)
	s.mu.Unlock()
	s.txn.Unlock()
	<-s.ended
	var err error
	if n := len(s.dirty); n > 0 { // the committer has ended: nobody else is there
		err = fmt.Errorf("cannot write %d objects: %w", n, s.failure)
	}
	return errors.Join(err, s.disk.db.Close())
}

// Get answers the object with the key.
func (s *Store) Get(k Key) (Object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.tables[k.Kind].get(k)
	return o, o != nil
}

// List answers the objects of a kind, sorted by namespace and name, and the revision of the store then. The slice is the caller's.
func (s *Store) List(kind string) ([]Object, int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables[kind].list(nil), s.rev
}

// Failure is why the last commit failed; nil when it did not. It is tried again by itself.
func (s *Store) Failure() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.retry == 0 {
		return nil
	}
	return s.failure
}

// Rev is the newest revision that can be seen.
func (s *Store) Rev() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rev
}

func (s *Store) table(kind string) *table {
	t := s.tables[kind]
	if t == nil {
		t = newTable()
		s.tables[kind] = t
	}
	return t
}

// diskKey is the name of an object in the bucket of its kind; it sorts as List does.
func diskKey(k Key) string { return k.Namespace + "\x00" + k.Name }
