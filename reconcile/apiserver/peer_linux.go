package apiserver

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a socket, when it connected.
type peer struct {
	uid, pid int
	// pidfd of it; -1 where the kernel gives none.
	pidfd int
}

// credentials asks the kernel who is at the other end.
func credentials(u *net.UnixConn) (*peer, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("cannot read peer credentials: %w", err)
	}
	p := &peer{pidfd: -1}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var c *unix.Ucred
		if c, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failed != nil {
			return
		}
		p.uid, p.pid = int(c.Uid), int(c.Pid)
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
			p.pidfd = n
			unix.CloseOnExec(n)
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read peer credentials: %w", err)
	}
	return p, nil
}

// alive tells whether the process still is: if not, another may have its pid. Without a pidfd it takes it to be.
func (p *peer) alive() bool {
	return p.pidfd < 0 || unix.PidfdSendSignal(p.pidfd, 0, nil, 0) != unix.ESRCH
}

func (p *peer) close() {
	if p.pidfd >= 0 {
		_ = unix.Close(p.pidfd)
	}
}
