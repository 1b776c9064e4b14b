package main

import (
	"fmt"
	"net"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// peers knows the processes at the other ends of connections from this host.
type peers struct {
	parent string // of the cgroups of instances; empty where there are none
	log    logr.Logger
	failed sync.Once // to ask about a TCP connection
}

// newPeers finds the parent by where this process is itself: it is an instance too.
func newPeers(log logr.Logger) *peers {
	own := path.Dir(cgroupOf("self"))
	if own == "/" || own == "." {
		return &peers{log: log}
	}
	return &peers{parent: path.Base(own), log: log}
}

// of gives the process that opened a connection; nil when it cannot be known.
func (p *peers) of(c net.Conn) *proxy.PeerProcess {
	switch c := c.(type) {
	case *net.UnixConn:
		return p.ofUnix(c)
	case *net.TCPConn:
		return p.ofTCP(c)
	}
	return nil
}

// ofUnix asks who connected.
func (p *peers) ofUnix(u *net.UnixConn) *proxy.PeerProcess {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	var cred *unix.Ucred
	pidfd := -1
	cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if n, perr := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); perr == nil {
			pidfd = n
		}
	})
	if err != nil || cerr != nil || cred.Pid <= 0 {
		return nil
	}
	if pidfd < 0 { // an older kernel: the number may be another's by now, which its inode then tells
		if pidfd, err = unix.PidfdOpen(int(cred.Pid), 0); err != nil {
			return nil
		}
	}
	defer unix.Close(pidfd)
	out := &proxy.PeerProcess{PID: int(cred.Pid), Inode: inodeOf(pidfd)}
	_, rest, ok := strings.Cut(cgroupOf(fmt.Sprint(cred.Pid)), "/"+p.parent+"/")
	if ok && p.parent != "" && unix.PidfdSendSignal(pidfd, 0, nil, 0) == nil { // it lives, so the cgroup that was read is its own
		name, _, _ := strings.Cut(rest, "/")
		out.Cgroup = p.parent + "/" + name
	}
	return out
}

// cgroupOf is the cgroup v2 path of a process.
func cgroupOf(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/cgroup")
	for line := range strings.Lines(string(b)) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(p, "\n")
		}
	}
	return ""
}

// inodeOf is the identity of a process by its pidfd; 0 where the kernel has none.
func inodeOf(pidfd int) uint64 {
	const pidfs = 0x50494446
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(pidfd, &fs) != nil || int64(fs.Type) != pidfs || unix.Fstat(pidfd, &st) != nil {
		return 0
	}
	return st.Ino
}
