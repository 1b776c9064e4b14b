//go:build !linux

package control

import (
	"errors"
	"net"
)

// peer cannot be known on this system.
func peer(*net.UnixConn) (int, error) {
	return 0, errors.New("cannot tell which process connected: it needs Linux")
}
