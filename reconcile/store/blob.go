package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

type blobKey struct{ bucket, key string }

func (k blobKey) compare(o blobKey) int {
	return cmp.Or(cmp.Compare(k.bucket, o.bucket), cmp.Compare(k.key, o.key))
}

// blobPage bounds what Blobs copies at once, in bytes.
const blobPage = 1 << 20

// Blob answers a copy of the blob. Blobs are read from disk.
func (s *Store) Blob(bucket, key string) ([]byte, bool) {
	v, ok, err := s.readBlob(blobKey{bucket, key})
	if err != nil {
		s.log.Error(err, "cannot read blob", "bucket", bucket, "key", key)
	}
	return v, ok
}

func (s *Store) readBlob(k blobKey) (v []byte, ok bool, err error) {
	s.mu.RLock()
	v, healing := s.heal[k]
	s.mu.RUnlock()
	if healing {
		return bytes.Clone(v), v != nil, nil
	}
	err = s.disk.db.View(func(tx *bbolt.Tx) error {
		v = blobIn(tx, k.bucket, k.key)
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("cannot read blob %q: %w", k.bucket+"/"+k.key, err)
	}
	return v, v != nil, nil
}

// Blobs calls fn with every blob of a bucket in the order of keys, until fn answers false. The value is fn's. fn may use the store: no
// lock is held, so blobs that change meanwhile are seen as they were or as they are.
func (s *Store) Blobs(bucket string, fn func(key string, value []byte) bool) {
	from, more := "", true
	for more {
		var page []write
		err := s.disk.db.View(func(tx *bbolt.Tx) error {
			begin := from
			page, from, more = blobPageFrom(tx, bucket, begin)
			page = s.healed(page, bucket, begin, from)
			return nil
		})
		if err != nil {
			s.log.Error(err, "cannot read blobs", "bucket", bucket)
			return
		}
		for _, w := range page {
			if !fn(w.key, w.value) {
				return
			}
		}
	}
}

// healed is the page, of the keys from begin to before end (empty: to the last), without what a failed commit may have left on disk.
func (s *Store) healed(page []write, bucket, begin, end string) []write {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.heal) == 0 {
		return page
	}
	page = slices.DeleteFunc(page, func(w write) bool {
		_, ok := s.heal[blobKey{bucket, w.key}]
		return ok
	})
	for k, v := range s.heal {
		if k.bucket == bucket && k.key >= begin && (end == "" || k.key < end) && v != nil {
			page = append(page, write{bucketBlobs, bucket, k.key, bytes.Clone(v)})
		}
	}
	slices.SortFunc(page, func(a, b write) int { return cmp.Compare(a.key, b.key) })
	return page
}

// blobPageFrom copies the blobs from a key on, up to about blobPage, and answers the key to go on from.
func blobPageFrom(tx *bbolt.Tx, bucket, from string) (page []write, next string, more bool) {
	b := tx.Bucket(bucketBlobs).Bucket([]byte(bucket))
	if b == nil {
		return nil, "", false
	}
	size := 0
	c := b.Cursor()
	for k, v := c.Seek([]byte(from)); k != nil; k, v = c.Next() {
		if size >= blobPage {
			return page, string(k), true
		}
		page = append(page, write{bucketBlobs, bucket, string(k), append([]byte{}, v...)})
		size += len(k) + len(v)
	}
	return page, "", false
}
