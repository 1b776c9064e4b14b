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
	h.NetNS = namespace(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	h.UserNS = namespace(UserNamespace(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}))
	return h
}

// filters tells whether there are filters for this architecture.
func filters() bool { return runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" }

// UserNamespace has a process begin in a user namespace too, as the user that it is, with the capability to set up its network until it
// drops it.
func UserNamespace(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
	return a
}

// namespace clones a process with some flags, and tells why that cannot be. The clone is done before the exec, and only the exec can say
// ENOENT.
func namespace(a *syscall.SysProcAttr) string {
	_, err := syscall.ForkExec("/proc/self/no-such-program", []string{"probe"}, &syscall.ProcAttr{Sys: a})
	if errors.Is(err, syscall.ENOENT) {
		return ""
	}
	return fmt.Sprint(err)
}
