package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstHanded is the lowest number of a handed pidfd: before it are the standard ones and the guardian's own.
const firstHanded = 5

// handing is held while descriptors are marked for an exec: by Hand and by Open.
var handing sync.Mutex

// Hand calls exec, and lets the pidfds of this process live through it, for the guardian that it becomes: how a process ended
// that is nobody's child any more can be learnt only by a pidfd that was opened before it was reaped. A process that was never
// guarded has none so far: find opens one for each run of the state directory that lives. The others got theirs from their
// guardian. The descriptors in also live through it too; they must stay open meanwhile. Nothing is forked meanwhile, so no workload
// gets any of them.
func Hand(stateDir string, find bool, also []int, exec func() error) error {
	if find {
		openRuns(filepath.Join(stateDir, "claims"))
	}
	handing.Lock()
	defer handing.Unlock()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	mark := func(flag int) {
		for _, fd := range also {
			unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag)
		}
		descriptors(func(fd int) {
			if pidfdInode(fd) == 0 {
				return
			}
			unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag)
			if pidfdInode(fd) == 0 { // the number has just become another's
				unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
			}
		})
	}
	mark(0)
	err := exec()
	mark(unix.FD_CLOEXEC)
	return err
}

// openRuns opens a pidfd of every process that a claim of this boot names, and that has not been reaped.
func openRuns(claims string) {
	boot, err := bootID()
	entries, derr := os.ReadDir(claims)
	if err != nil || derr != nil {
		return // the next operator will say so
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(claims, e.Name()))
		all := parseClaims(data)
		if err != nil || len(all) == 0 {
			continue
		}
		if c := all[len(all)-1]; c.Boot == boot && c.exit == nil && c.ident.pid != 0 {
			openProcess(c.ident) // it stays open
		}
	}
}

// descriptors calls fn for every descriptor that can be a handed one.
func descriptors(fn func(fd int)) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstHanded {
			fn(fd)
		}
	}
}

// takePidfds takes the pidfds that the guardian handed on, by inode: they are the only ones that the runtime did not mark to be
// closed on exec.
func takePidfds() map[uint64]int {
	held := map[uint64]int{}
	descriptors(func(fd int) {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return
		}
		ino := pidfdInode(fd)
		if _, twice := held[ino]; twice {
			unix.Close(fd)
		} else if ino != 0 {
			held[ino] = fd
		}
	})
	return held
}

// handed finds the end of a run whose main process was reaped and whose guardian died too, by a pidfd that it handed on before.
// A guardian hands on all that lost their parent below it, so the main process is among them; inodes count upwards, and it is the
// first of its cgroup. Others of its tree may be there as well: found in /proc, or in a record.
func (r *Runner) handed(p *proc, found *stat, rec *record) bool {
	var dir unix.Stat_t
	if len(r.held) == 0 || unix.Stat(p.cgroup, &dir) != nil {
		return false
	}
	first := uint64(0)
	for ino, fd := range r.held {
		if id, ok := cgroupByInfo(fd); ok && id == dir.Ino && (first == 0 || ino < first) {
			first = ino
		}
	}
	if first == 0 || rec != nil && rec.ident.ino < first {
		return false
	}
	if found != nil {
		fd, err := unix.PidfdOpen(found.pid, 0)
		if err != nil {
			return false // it is being reaped just now: the next round knows more
		}
		defer unix.Close(fd)
		if pidfdInode(fd) < first {
			return false
		}
	}
	p.pidfd, p.phase = r.held[first], asking
	delete(r.held, first)
	r.ask(p)
	return p.phase != asking
}

func (r *Runner) dropPidfds() {
	for _, fd := range r.held {
		unix.Close(fd)
	}
	r.held = nil
}
