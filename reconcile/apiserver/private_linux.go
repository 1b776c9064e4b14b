package apiserver

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// private makes a socket's file 0600 from birth: the kernel takes over the mode that the socket has when it is bound.
func private(raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
	if err != nil {
		return err
	}
	return failed
}
