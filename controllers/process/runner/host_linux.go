package runner

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// prepareProcess sees to it that children inherit nothing odd, and tells whether new processes have to be calmed.
func prepareProcess() (calm bool) {
	unix.Umask(0o022)
	unix.CloseRange(3, 1<<32-1, closeRangeMarks)
	catchIgnored()
	if b, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil && strings.HasPrefix(string(b), "-") {
		calm = true
	}
	// The kernel's own number: 20 minus nice.
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && n > 20 {
		calm = true
	}
	return calm
}

// catchIgnored catches the signals that this process ignores, and does nothing with them. An ignored signal would be ignored
// by all children (SIGHUP under nohup, SIGINT in the background of a script); a caught one is back to its default in them.
// Of the real-time signals, which make leaves ignored, the runtime catches not all: they get their default back here.
func catchIgnored() {
	for n := syscall.Signal(1); n <= 64; n++ {
		var old [4]uint64 // the kernel's sigaction; the handler is its first word
		_, _, err := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
		const ignored, firstRealTime = 1, 32
		switch {
		case err != 0 || old[0] != ignored:
		case n < firstRealTime:
			signal.Notify(make(chan os.Signal, 1), n)
		default:
			var byDefault [4]uint64
			unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
		}
	}
}

// calmDown takes our negative nice and oom_score_adj from a new process.
func calmDown(pid int) {
	if n, err := unix.Getpriority(unix.PRIO_PROCESS, pid); err == nil && n > 20 {
		unix.Setpriority(unix.PRIO_PROCESS, pid, 0)
	}
	path := "/proc/" + strconv.Itoa(pid) + "/oom_score_adj"
	if b, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(b), "-") {
		os.WriteFile(path, []byte("0"), 0)
	}
}

// probe finds out what this host gives, by doing.
func (r *Runner) probe() error {
	r.caps.Guardian = os.Getenv("MIRROROS_GUARD") == strconv.Itoa(os.Getppid())
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("cannot hold processes on this kernel, it has no pidfd: %w", err)
	}
	r.caps.Pidfs = pidfdInode(fd) != 0
	unix.Close(fd)

	cgroupErr := r.probeCgroup()
	name, err := cgroupName(r.o.StateDir)
	if err != nil || r.o.CgroupParent == NoCgroup {
		name = ""
	}
	r.host = group.Probe(r.caps.CgroupV2, name)
	means := r.host.Means()
	r.caps.LimitMemory, r.caps.LimitCPU, r.caps.LimitPids = means[group.Memory], means[group.CPU], means[group.Pids]
	guardErr := r.probeGuard()
	if r.caps.CgroupV2 == "" && guardErr != nil {
		return fmt.Errorf("cannot run anything at most once: no cgroup v2 directory (%v) and no mirrorguard (%v)", cgroupErr, guardErr)
	}
	if cgroupErr != nil {
		r.o.Log.V(1).Info("runs get no cgroup of their own", "reason", cgroupErr.Error())
	}
	return nil
}

func (r *Runner) probeCgroup() error {
	below := r.o.CgroupParent
	if below == NoCgroup || below == NoCgroupV2 {
		return errors.New("not wanted")
	}
	if below == "" {
		var err error
		if below, err = ownCgroup(); err != nil {
			return err
		}
	}
	dir, err := makeCgroups(below, r.o.StateDir)
	if err != nil {
		return err
	}
	r.caps.CgroupV2 = dir
	r.caps.CgroupKill = unix.Access(filepath.Join(dir, "cgroup.kill"), unix.W_OK) == nil
	return nil
}

// probeGuard executes mirrorguard, and asks the kernel how it ended after it was reaped.
func (r *Runner) probeGuard() error {
	if r.o.Guard == "" {
		return errors.New("not given")
	}
	pidfd := -1
	_, err := syscall.ForkExec(r.o.Guard, []string{"mirrorguard", "probe"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	if err != nil {
		return fmt.Errorf("cannot execute %q: %w", r.o.Guard, err)
	}
	defer unix.Close(pidfd)
	for unix.Waitid(waitPidfd, pidfd, nil, unix.WEXITED, nil) == unix.EINTR {
	}
	e, ok := exitByInfo(pidfd)
	if ok && e.Code != 0 {
		return fmt.Errorf("%q is not mirrorguard", r.o.Guard)
	}
	r.caps.PidfdInfo = ok
	return nil
}

// fork clones and executes, with default signals and nothing inherited but the given descriptors.
func fork(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	runtime.LockOSThread() // the child gets this thread's signal mask
	defer runtime.UnlockOSThread()
	var none, old unix.Sigset_t
	unix.PthreadSigmask(unix.SIG_SETMASK, &none, &old)
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return syscall.ForkExec(path, argv, attr)
}
