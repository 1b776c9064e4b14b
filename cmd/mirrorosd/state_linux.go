package main

import "golang.org/x/sys/unix"

// The magic numbers of filesystems that matter here, from statfs(2).
var filesystems = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "nfs",
	unix.TMPFS_MAGIC:      "tmpfs",
	unix.V9FS_MAGIC:       "9p",
	unix.SMB_SUPER_MAGIC:  "cifs",
	unix.CIFS_SUPER_MAGIC: "cifs",
	unix.SMB2_SUPER_MAGIC: "cifs",
	unix.RAMFS_MAGIC:      "tmpfs",
}

// filesystem names the filesystem that dir is on, when it is one that matters; else it is empty.
func filesystem(dir string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", err
	}
	return filesystems[int64(st.Type)], nil
}

// roomOf tells what is left for this user where dir is.
func roomOf(dir string) (room, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return room{}, err
	}
	block := uint64(st.Bsize)
	return room{free: st.Bavail * block, size: st.Blocks * block, freeFiles: st.Ffree, files: st.Files}, nil
}
