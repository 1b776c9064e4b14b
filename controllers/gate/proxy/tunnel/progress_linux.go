package tunnel

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// kernelCounts: TCP connections need no counting of ours.
const kernelCounts = true

// progress gives a number that changes whenever a byte moves. Between two TCP connections, whose bytes we do not see, the kernel has it.
func (p *pair) progress() func() int64 {
	a, ok := p.a.Conn.(*net.TCPConn)
	b, ok2 := p.b.Conn.(*net.TCPConn)
	if !ok || !ok2 {
		return func() int64 { return p.toA.Load() + p.toB.Load() }
	}
	return func() int64 { return traffic(a) + traffic(b) }
}

// traffic is what a connection has received, and sent with success, since it began.
func traffic(c *net.TCPConn) (n int64) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Bytes_received + info.Bytes_acked)
		}
	})
	return n
}

// isGone: the other side ended the connection before we ended our half.
func isGone(err error) bool { return errors.Is(err, unix.ENOTCONN) }
