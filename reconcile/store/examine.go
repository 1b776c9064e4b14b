package store

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockTimeout is how long Open waits for another operator that is about to end.
	lockTimeout = 200 * time.Millisecond
	// mapSize is mapped from the start, so that a growing file need not be mapped anew for long. It is address space, not memory.
	mapSize = 64 << 20
)

func openBolt(path string, readOnly bool) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly:        readOnly,
		Timeout:         lockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapSize,
		NoStatistics:    true,
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return db, err
}

// examine reads the whole file before bbolt opens it for writing: what is damaged would end the process there, in a goroutine of
// bbolt's, and what is newer is not touched.
func examine(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // reading past the end of a mapped file
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	db, err := openBolt(path, true)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		if m == nil {
			return nil
		}
		if found := number(m.Get(keySchema)); found > schema {
			return fmt.Errorf("schema %d, this version knows %d: %w", found, schema, ErrNewer)
		}
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return readAll(b) })
	})
}

func readAll(b *bbolt.Bucket) error {
	var sum byte
	err := b.ForEach(func(k, v []byte) error {
		if v == nil {
			return readAll(b.Bucket(k))
		}
		for i := 0; i < len(v); i += 1 << 10 { // a byte of each page will do
			sum += v[i]
		}
		return nil
	})
	runtime.KeepAlive(sum)
	return err
}
