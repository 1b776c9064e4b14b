package runner

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pidfsMagic      = 0x50494446
	getInfo         = 0xC0000000 | (64 << 16) | (0xFF << 8) | 11 // PIDFD_GET_INFO with the first version's 64 bytes
	infoCgroup      = 1 << 2
	infoExit        = 1 << 3
	signalGroup     = 1 << 2 // PIDFD_SIGNAL_PROCESS_GROUP
	waitPidfd       = 3      // P_PIDFD
	closeRangeMarks = 4      // CLOSE_RANGE_CLOEXEC
)

// stat is what the runner wants of /proc/PID/stat.
type stat struct {
	pid, ppid, group, session int
	state                     byte
	start                     uint64
}

func readStat(pid int) (stat, error) {
	var buf [1024]byte
	n, err := readInto("/proc/"+strconv.Itoa(pid)+"/stat", buf[:])
	if err != nil {
		return stat{}, err
	}
	i := bytes.LastIndexByte(buf[:n], ')')
	f := strings.Fields(string(buf[i+1 : n]))
	if i < 0 || len(f) < 20 {
		return stat{}, unix.EINVAL
	}
	s := stat{pid: pid, state: f[0][0]}
	s.ppid, _ = strconv.Atoi(f[1])
	s.group, _ = strconv.Atoi(f[2])
	s.session, _ = strconv.Atoi(f[3])
	s.start, err = strconv.ParseUint(f[19], 10, 64)
	return s, err
}

// dead tells whether it is a zombie, or on the way to be reaped.
func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

// readInto reads a small file by its first read.
func readInto(path string, buf []byte) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, buf)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// allProcesses calls fn for every process of the host.
func allProcesses(fn func(stat)) {
	dir, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			fn(s)
		}
	}
}

// children lists the children of a process, from the kernel's own lists where it has them.
func children(pid int) []int {
	var all []int
	tasks := "/proc/" + strconv.Itoa(pid) + "/task"
	entries, err := os.ReadDir(tasks)
	for _, e := range entries {
		var data []byte
		if data, err = os.ReadFile(tasks + "/" + e.Name() + "/children"); err != nil {
			break
		}
		for _, f := range strings.Fields(string(data)) {
			if n, err := strconv.Atoi(f); err == nil {
				all = append(all, n)
			}
		}
	}
	if err != nil {
		allProcesses(func(s stat) {
			if s.ppid == pid {
				all = append(all, s.pid)
			}
		})
	}
	return all
}

// cgroupOf gives the cgroup v2 path of a process, of a zombie too.
func cgroupOf(pid int) string {
	var buf [8192]byte
	n, err := readInto("/proc/"+strconv.Itoa(pid)+"/cgroup", buf[:])
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(buf[:n]), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, " (deleted)")
		}
	}
	return ""
}

// pidfdInode gives the inode of a pidfd, 0 where there is no pidfs.
func pidfdInode(fd int) uint64 {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) != nil || int64(fs.Type) != pidfsMagic || unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Ino
}

// identify gives the identity of the process that a pidfd is for. The number cannot be another's: the caller knows that it is
// not reaped, or compares what comes back.
func identify(pid, fd int) (identity, error) {
	s, err := readStat(pid)
	return identity{pid: pid, start: s.start, ino: pidfdInode(fd)}, err
}

// openProcess opens a pidfd for exactly this process, alive or a zombie; -1 when it was reaped. One that is reaped just now
// is known by its inode.
func openProcess(i identity) int {
	fd, err := unix.PidfdOpen(i.pid, 0)
	if err != nil {
		return -1
	}
	now, err := identify(i.pid, fd)
	if i.ino != 0 && now.ino == i.ino || err == nil && now.same(i) {
		return fd
	}
	unix.Close(fd)
	return -1
}

// exitByWait reads how a child of ours ended and leaves it a zombie. ECHILD: not our child. EAGAIN: it lives.
func exitByWait(fd int) (*Exit, error) {
	var si unix.Siginfo
	for {
		err := unix.Waitid(waitPidfd, fd, &si, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		break
	}
	at := func(i uintptr) int { return int(*(*int32)(unsafe.Add(unsafe.Pointer(&si), i))) }
	fields := max(12, unsafe.Sizeof(uintptr(0))*2) // the union after signo, errno, code is aligned to a pointer
	if at(fields) == 0 {
		return nil, unix.EAGAIN
	}
	return exitOf(int(si.Code), at(fields+8), present()), nil
}

// reap lets go of a child that ended.
func reap(fd int) {
	for unix.Waitid(waitPidfd, fd, nil, unix.WEXITED|unix.WNOHANG, nil) == unix.EINTR {
	}
}

// exitByInfo asks the kernel how a process ended that somebody else has reaped.
func exitByInfo(fd int) (*Exit, bool) {
	info, ok := infoOf(fd)
	if !ok || info.mask&infoExit == 0 {
		return nil, false
	}
	ws := syscall.WaitStatus(info.exit)
	now := present()
	e := &Exit{Known: true, At: now.wall, Awake: now.awake}
	if ws.Signaled() {
		e.Signal, e.Core = ws.Signal(), ws.CoreDump()
	} else {
		e.Code = ws.ExitStatus()
	}
	return e, true
}

// cgroupByInfo gives the inode of the cgroup v2 directory of a process that was reaped.
func cgroupByInfo(fd int) (uint64, bool) {
	info, ok := infoOf(fd)
	return info.cgroup, ok && info.mask&infoExit != 0 && info.mask&infoCgroup != 0
}

// pidfdInfo is the first version of what PIDFD_GET_INFO gives.
type pidfdInfo struct {
	mask, cgroup uint64
	ids          [11]uint32
	exit         int32
}

func infoOf(fd int) (pidfdInfo, bool) {
	info := pidfdInfo{mask: infoExit | infoCgroup}
	_, _, err := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getInfo, uintptr(unsafe.Pointer(&info)))
	return info, err == 0
}

// bootClock is the time since the host started, with the time it slept.
func bootClock() time.Duration { return clock(unix.CLOCK_BOOTTIME) }

// awakeClock is the time since the host started, without the time it slept: what Go's monotonic readings count.
func awakeClock() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

func clock(which int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(which, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// present is now.
func present() moment { return moment{time.Now(), awakeClock()} }

// AwakeAt is the time of a reading of the awake clock in this boot, as Go counts: what lies between it and time.Now is the time that the
// host was awake, however the wall clock was set meanwhile. Zero for a reading of 0.
func AwakeAt(reading time.Duration) time.Time {
	if reading == 0 {
		return time.Time{}
	}
	return time.Now().Add(reading - awakeClock())
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}
