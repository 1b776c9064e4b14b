//go:build !linux

package apiserver

import (
	"errors"
	"net"
)

type peer struct{ uid, pid int }

func credentials(*net.UnixConn) (*peer, error) {
	return nil, errors.New("cannot read peer credentials: not known on this system")
}

func (*peer) alive() bool { return true }

func (*peer) close() {}
