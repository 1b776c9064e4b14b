package store

import "go.etcd.io/bbolt"

// SetFault calls f before each operation of the disk (begin, put, delete, commit) and after the commit (committed); an error fails it.
func (s *Store) SetFault(f func(op string) error) {
	if f == nil {
		s.disk.fault.Store(nil)
		return
	}
	s.disk.fault.Store(&f)
}

// SetMaxSize makes the disk full at n bytes; 0 for no limit. Nothing may be committing.
func (s *Store) SetMaxSize(n int) { s.disk.db.MaxSize = n }

// Idle tells that no timer runs and nothing is to be written.
func (s *Store) Idle() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.flush == nil && s.expiry == nil && len(s.dirty) == 0 && len(s.queue) == 0 && len(s.overlay) == 0 && len(s.history.events) == 0
}

// WriteSchema changes the schema number of the file.
func (s *Store) WriteSchema(n uint64) error {
	return s.disk.writeSchema(n)
}

func (d *disk) writeSchema(n uint64) error {
	return d.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, bytesOf(n)) })
}
