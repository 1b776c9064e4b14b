package upstream

import (
	"net"

	"golang.org/x/sys/unix"
)

// unacknowledged says that the other side has acknowledged nothing of what was written after the first before bytes. Together with an end
// of the connection in order, whose packet would have acknowledged it, nothing of that was taken. The kernel counts the opening of the
// connection as one byte more.
func unacknowledged(c *net.TCPConn, before int64) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	none := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		none = err == nil && info.Bytes_acked <= uint64(before)+1
	})
	return err == nil && none
}
