package apiserver

import (
	"io"
	"net/netip"
)

// FindSocket is findSocket.
func FindSocket(table io.Reader, local, remote string) (inode string, uid int) {
	inode, uid, _ = findSocket(table, netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote))
	return inode, uid
}
