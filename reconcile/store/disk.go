package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"go.etcd.io/bbolt"
)

const (
	// schema of the file. A higher one in the file is refused.
	schema = 1
)

var (
	bucketObjects = []byte("objects")
	bucketBlobs   = []byte("blobs")
	bucketMeta    = []byte("meta")
	keySchema     = []byte("schema")
	keyReserved   = []byte("reserved")
)

// write is one change of the file: a nil value deletes.
type write struct {
	root   []byte // bucketObjects or bucketBlobs
	bucket string // kind or blob bucket
	key    string
	value  []byte
}

// disk is the bbolt file. Only the committer writes it.
type disk struct {
	db *bbolt.DB
	// fault, set by tests, is called before each operation; an error fails it. "committed" comes after the commit.
	fault atomic.Pointer[func(op string) error]
}

// openDisk opens the file, and makes it durable that it is there.
func openDisk(path string) (*disk, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 {
		err = examine(path)
	}
	fresh := errors.Is(err, os.ErrNotExist)
	if err != nil && !fresh {
		return nil, fmt.Errorf("cannot open store %q: %w", path, err)
	}
	db, err := openBolt(path, false)
	if err != nil {
		return nil, fmt.Errorf("cannot open store %q: %w", path, err)
	}
	d := &disk{db: db}
	err = d.init()
	if err == nil && fresh {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("cannot create store %q: %w", path, err)
	}
	return d, nil
}

// init makes the buckets of a new file.
func (d *disk) init() error {
	var found uint64
	err := d.db.View(func(tx *bbolt.Tx) error {
		if m := tx.Bucket(bucketMeta); m != nil {
			found = number(m.Get(keySchema))
		}
		return nil
	})
	if err != nil || found == schema {
		return err
	}
	return d.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketObjects, bucketBlobs, bucketMeta} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keySchema, bytesOf(schema))
	})
}

// load calls fn for every object and answers the reserved revision.
func (d *disk) load(fn func(kind, key string, value []byte) error) (reserved int64, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		reserved = int64(number(tx.Bucket(bucketMeta).Get(keyReserved)))
		objects := tx.Bucket(bucketObjects)
		return objects.ForEachBucket(func(kind []byte) error {
			return objects.Bucket(kind).ForEach(func(k, v []byte) error { return fn(string(kind), string(k), v) })
		})
	})
	return reserved, err
}

// commit makes the writes durable, in order, as one. After an error the file holds all of them or none;
// undo then has the blobs as they were.
func (d *disk) commit(writes []write, reserved int64) (undo []write, err error) {
	if err := d.step("begin"); err != nil {
		return nil, err
	}
	err = d.db.Update(func(tx *bbolt.Tx) error {
		for i := range writes {
			w := &writes[i]
			if string(w.root) == string(bucketBlobs) {
				undo = append(undo, write{w.root, w.bucket, w.key, blobIn(tx, w.bucket, w.key)})
			}
			if err := d.apply(tx, w); err != nil {
				return err
			}
		}
		if err := d.step("commit"); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keyReserved, bytesOf(uint64(reserved)))
	})
	if err == nil {
		err = d.step("committed")
	}
	return undo, err
}

func (d *disk) apply(tx *bbolt.Tx, w *write) error {
	root := tx.Bucket(w.root)
	if w.value == nil {
		if err := d.step("delete"); err != nil {
			return err
		}
		if b := root.Bucket([]byte(w.bucket)); b != nil {
			return b.Delete([]byte(w.key))
		}
		return nil
	}
	if err := d.step("put"); err != nil {
		return err
	}
	b, err := root.CreateBucketIfNotExists([]byte(w.bucket))
	if err != nil {
		return err
	}
	return b.Put([]byte(w.key), w.value)
}

func (d *disk) step(op string) error {
	if f := d.fault.Load(); f != nil {
		return (*f)(op)
	}
	return nil
}

// blobIn copies a blob; nil when it is not there.
func blobIn(tx *bbolt.Tx, bucket, key string) []byte {
	b := tx.Bucket(bucketBlobs).Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	if v := b.Get([]byte(key)); v != nil {
		return append([]byte{}, v...)
	}
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func number(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func bytesOf(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
