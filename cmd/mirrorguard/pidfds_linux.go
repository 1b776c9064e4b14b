package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// inheritedPidfds lists the pidfds that this process was started with, of others than its own children: those it records itself.
func inheritedPidfds() []int {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	var foreign []int
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= endDescriptor || !isPidfs(fd) {
			continue
		}
		if isChild(fd) {
			syscall.Close(fd)
		} else {
			foreign = append(foreign, fd)
		}
	}
	return foreign
}

func isPidfs(fd int) bool {
	var fs syscall.Statfs_t
	return syscall.Fstatfs(fd, &fs) == nil && fs.Type == pidfsMagic
}

// isChild tells whether a pidfd is of a child of ours, alive or not reaped yet.
func isChild(fd int) bool {
	const pidfd = 3
	var si [128]byte
	for {
		_, _, err := syscall.Syscall6(syscall.SYS_WAITID, pidfd, uintptr(fd), uintptr(unsafe.Pointer(&si)), wExited|wNoWait|syscall.WNOHANG, 0, 0)
		if err != syscall.EINTR {
			return err == 0
		}
	}
}

// childPidfds opens a pidfd of each child, of one that has ended too, for the program that is started next: it inherits them. It
// opens none where the kernel has no pidfs: there a pidfd tells nothing of a process that was reaped.
func childPidfds() []int {
	const reserve = 16
	var all []int
	for _, pid := range children() {
		fd, _, err := syscall.RawSyscall(sysPidfdOpen, uintptr(pid), 0, 0)
		if err == syscall.EMFILE || err == syscall.ENFILE { // the fork needs some
			n := max(0, len(all)-reserve)
			closeAll(all[n:])
			return all[:n]
		}
		if err != 0 {
			continue
		}
		if len(all) == 0 && !isPidfs(int(fd)) {
			syscall.Close(int(fd))
			return nil
		}
		if high := above(int(fd)); high >= 0 {
			all = append(all, high)
		}
	}
	inherit(all)
	return all
}

// openPidfd opens a pidfd of a child that was not reaped, to be inherited by every program; -1 where it cannot, or is of no use.
func openPidfd(pid int) int {
	fd, _, err := syscall.RawSyscall(sysPidfdOpen, uintptr(pid), 0, 0)
	if err != 0 {
		return -1
	}
	if !isPidfs(int(fd)) {
		syscall.Close(int(fd))
		return -1
	}
	high := above(int(fd))
	inherit([]int{high})
	return high
}

// above gives a descriptor a number that is not taken in the program; -1 when it cannot.
func above(fd int) int {
	if fd > endDescriptor {
		return fd
	}
	high, _, err := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD, endDescriptor+1)
	syscall.Close(fd)
	if err != 0 {
		return -1
	}
	return int(high)
}

// inherit lets descriptors be inherited under their own numbers: that costs a tenth of having ForkExec renumber them.
func inherit(fds []int) {
	for _, fd := range fds {
		syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, 0)
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

// children lists our children. Nobody reaps one meanwhile, so the kernel's lists are exact; where it has none all processes
// are looked at.
func children() []int {
	var all []int
	for _, task := range numbers("/proc/self/task") {
		fd, err := syscall.Open("/proc/self/task/"+strconv.Itoa(task)+"/children", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err == syscall.ENOENT {
			return childrenByParent()
		}
		if err != nil {
			continue
		}
		text, _ := readAll(fd)
		syscall.Close(fd)
		for _, f := range strings.Fields(text) {
			if pid, err := strconv.Atoi(f); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

func childrenByParent() []int {
	var all []int
	self := os.Getpid()
	for _, pid := range numbers("/proc") {
		if s, ok := readStat(pid); ok && s.ppid == self {
			all = append(all, pid)
		}
	}
	return all
}

// numbers lists the entries of a directory that are numbers.
func numbers(path string) []int {
	dir, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	var all []int
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			all = append(all, n)
		}
	}
	return all
}
