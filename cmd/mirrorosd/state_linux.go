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

// spread asks the file system to put what is made in dir into different parts of the disk, where it knows such a hint (ext4). Claims and logs
// come and go: beside files that were deleted a moment ago, by whomever, ext4 without a journal takes many times as long to make one.
func spread(dir string) {
	const topDir = 0x20000 // FS_TOPDIR_FL
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS); err == nil && flags&topDir == 0 {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags|topDir)
	}
}
