package store

import (
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// LetGo takes the pages of the file that were looked at out of this process' memory. They are still in the system's cache, for as long as
// that has room; the next commits map those that they need again.
func (s *Store) LetGo() {
	_ = s.disk.db.View(func(tx *bbolt.Tx) error { // while it runs the file is not mapped elsewhere
		if at := tx.DB().Info().Data; at != 0 {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, at, uintptr(mapSize), unix.MADV_DONTNEED)
		}
		return nil
	})
}
