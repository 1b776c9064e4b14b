package main

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Numbers that package syscall does not have; those of system calls are the same on all 64-bit architectures.
const (
	prSetChildSubreaper = 36
	sysPidfdOpen        = 434
	sysCloseRange       = 436
	closeRangeCloexec   = 4
	pidfsMagic          = 0x50494446
	wExited             = 4
	wNoWait             = 0x1000000
	cldExited           = 1
)

// stat is what the guardian wants of /proc/PID/stat; the start time stays text.
type stat struct {
	ppid, session int
	start         string
}

func readStat(pid int) (stat, bool) {
	text := readSmall("/proc/" + strconv.Itoa(pid) + "/stat")
	i := strings.LastIndexByte(text, ')')
	if i < 0 || i+2 > len(text) {
		return stat{start: "0"}, false
	}
	f := strings.Fields(text[i+2:])
	if len(f) < 20 {
		return stat{start: "0"}, false
	}
	ppid, _ := strconv.Atoi(f[1])
	session, _ := strconv.Atoi(f[3])
	return stat{ppid: ppid, session: session, start: f[19]}, true
}

// cgroupOf gives the cgroup v2 path of a process; of a zombie too.
func cgroupOf(pid int) string {
	for _, line := range strings.Split(readSmall("/proc/"+strconv.Itoa(pid)+"/cgroup"), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return path
		}
	}
	return ""
}

// pidfsInode is the identity of a process that is never reused within a boot, 0 where the kernel has none.
func pidfsInode(pid int) uint64 {
	fd, _, err := syscall.RawSyscall(sysPidfdOpen, uintptr(pid), 0, 0)
	if err != 0 {
		return 0
	}
	defer syscall.Close(int(fd))
	var st syscall.Stat_t
	if !isPidfs(int(fd)) || syscall.Fstat(int(fd), &st) != nil {
		return 0
	}
	return st.Ino
}

// readSmall reads a file of at most 8 KiB, in one go.
func readSmall(path string) string {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var buf [8192]byte
	n := 0
	for n < len(buf) {
		m, err := syscall.Read(fd, buf[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	return string(buf[:n])
}

// readAll reads a whole file from its beginning.
func readAll(fd int) (string, bool) {
	buf := make([]byte, 0, 8192)
	for {
		n, err := syscall.Pread(fd, buf[len(buf):cap(buf)], int64(len(buf)))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return string(buf), err == nil
		}
		if buf = buf[:len(buf)+n]; len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 4*cap(buf)), buf...)
		}
	}
}

// ended is a child that ended and was not reaped yet.
type ended struct{ pid, code, status int }

// waitAny blocks until some child has ended, and leaves it a zombie.
func waitAny() (ended, syscall.Errno) {
	const all = 0
	var si [128]byte
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&si)), wExited|wNoWait, 0, 0)
		if err == syscall.EINTR {
			continue
		}
		at := func(i int) int { return int(*(*int32)(unsafe.Pointer(&si[i]))) }
		return ended{pid: at(16), code: at(8), status: at(24)}, err
	}
}

func reap(pid int) {
	for {
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

// writeRecord writes a file whole or not at all, by rename.
func writeRecord(dir, name string, data []byte) bool {
	tmp := dir + "/." + name
	fd, err := syscall.Open(tmp, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0o600)
	if err == syscall.ENOENT && syscall.Mkdir(dir, 0o700) == nil {
		fd, err = syscall.Open(tmp, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0o600)
	}
	if err != nil {
		return false
	}
	n, err := syscall.Write(fd, data)
	if cerr := syscall.Close(fd); err == nil {
		err = cerr
	}
	if err != nil || n != len(data) || syscall.Rename(tmp, dir+"/"+name) != nil {
		syscall.Unlink(tmp)
		return false
	}
	return true
}

func setGroups(groups []uint32) syscall.Errno {
	var p unsafe.Pointer
	if len(groups) > 0 {
		p = unsafe.Pointer(&groups[0])
	}
	_, _, err := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(groups)), uintptr(p), 0)
	return err
}

// awakeClock is the time in nanoseconds that the host was awake since it started; 0 where that cannot be told.
func awakeClock() int64 {
	const monotonic = 1 // CLOCK_MONOTONIC
	var ts syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&ts)), 0); err != 0 {
		return 0
	}
	return ts.Nano()
}
