package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host is what this host gives, found by doing.
type Host struct {
	// Landlock is the version of its interface; 0 is none.
	Landlock int
	// Seccomp: filters can be set.
	Seccomp bool
	// NetNS and UserNS are why no network namespace can be made, by itself and in a user namespace; empty when it can.
	NetNS, UserNS string
}

// Probe finds out what this host gives. It starts two processes that end at once.
func Probe() *Host {
	h := &Host{}
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	if n, _, err := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version); err == 0 {
		h.Landlock = int(n)
	}
	// SECCOMP_GET_ACTION_AVAIL says yes to SECCOMP_RET_ERRNO.
	action := uint32(unix.SECCOMP_RET_ERRNO)
	h.Seccomp = filters() && seccompAvailable(&action)
	h.NetNS = namespace(Namespaces(&syscall.SysProcAttr{}, false))
	h.UserNS = namespace(Namespaces(&syscall.SysProcAttr{}, true))
	return h
}

// Namespaces has a process begin in a network of its own, and without what others share by System V's and POSIX' message queues,
// semaphores and memory; with user in a user namespace too, as the user that it is, with the capability to set up its network until it
// drops it.
func Namespaces(a *syscall.SysProcAttr, user bool) *syscall.SysProcAttr {
	a.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	if !user {
		return a
	}
	uid, gid := os.Geteuid(), os.Getegid()
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
	return a
}

// filters tells whether there are filters for this architecture.
func filters() bool { return runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" }

// namespace clones a process with some flags, and tells why that cannot be. The clone is done before the exec, and only the exec can say
// ENOENT.
func namespace(a *syscall.SysProcAttr) string {
	_, err := syscall.ForkExec("/proc/self/no-such-program", []string{"probe"}, &syscall.ProcAttr{Sys: a})
	if errors.Is(err, syscall.ENOENT) {
		return ""
	}
	return fmt.Sprint(err)
}
