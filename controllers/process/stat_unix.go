package process

import (
	"io/fs"
	"syscall"
)

// deviceAndInode tells files of one path apart.
func deviceAndInode(info fs.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}
