package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// ofTCP finds the workload that made the socket at the other end of a connection from this host. The kernel keeps with each socket the
// cgroup (v2) of the process that made it, and tells it of the socket with exactly these two addresses (sock_diag(7), INET_DIAG_CGROUP_ID,
// since Linux 5.8). So it does not matter who holds the socket now, and no process is looked for: to be given a socket makes nobody another.
//
// That it was our connection's other end, and not a later one of the same addresses, is certain when ours is still there afterwards: while it
// is, no other connection can have its addresses. It costs about 20 µs, once for a connection.
func (p *peers) ofTCP(c *net.TCPConn) *proxy.PeerProcess {
	own, peer := addressOf(c.LocalAddr()), addressOf(c.RemoteAddr())
	if !peer.Addr().IsLoopback() && peer.Addr() != own.Addr() {
		return nil // it comes from another host
	}
	group, err := cgroupOfSocket(peer, own)
	if err != nil {
		p.failed.Do(func() { p.log.Error(err, "Workloads that call by TCP are not known by their process; tokens work") })
		return nil
	}
	if group == 0 || !connected(c) {
		return nil
	}
	return &proxy.PeerProcess{CgroupID: group}
}

func addressOf(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := t.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// The states of a connection in which its addresses are still its own, as the kernel numbers them (net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpFinWait1    = 4
	tcpFinWait2    = 5
	tcpCloseWait   = 8
)

// connected tells whether a connection is there: the other end may have said its last, and has not gone.
func connected(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	return err == nil && cerr == nil && (info.State == tcpEstablished || info.State == tcpCloseWait)
}

// Sizes and places of linux/netlink.h and linux/inet_diag.h: a request is a header and an inet_diag_req_v2, an answer a header, an
// inet_diag_msg and attributes.
const (
	headSize    = 16
	requestSize = 56
	messageSize = 72
	diagCgroup  = 21 // INET_DIAG_CGROUP_ID
	noCookie    = 1<<32 - 1
)

// cgroupOfSocket is the number of the cgroup in which the socket of a connection was made, of which at is its own address; 0 when there is no
// such connection.
func cgroupOfSocket(at, to netip.AddrPort) (uint64, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, fmt.Errorf("cannot ask the kernel about sockets: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, socketRequest(at, to), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("cannot ask the kernel about a socket: %w", err)
	}
	var buf [4096]byte
	n, _, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT) // the kernel answers before the request returns
	if err != nil {
		return 0, fmt.Errorf("cannot read what the kernel says of a socket: %w", err)
	}
	return readSocket(buf[:n], at, to)
}

func socketRequest(at, to netip.AddrPort) []byte {
	b := make([]byte, headSize+requestSize)
	order := binary.NativeEndian
	order.PutUint32(b, uint32(len(b)))
	order.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	order.PutUint16(b[6:], unix.NLM_F_REQUEST)
	r := b[headSize:]
	r[0], r[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if at.Addr().Is4() {
		r[0] = unix.AF_INET
	}
	order.PutUint32(r[4:], noCookie) // of any state
	binary.BigEndian.PutUint16(r[8:], at.Port())
	binary.BigEndian.PutUint16(r[10:], to.Port())
	copy(r[12:28], at.Addr().AsSlice())
	copy(r[28:44], to.Addr().AsSlice())
	order.PutUint32(r[48:], noCookie)
	order.PutUint32(r[52:], noCookie)
	return b
}

// readSocket reads an answer. The kernel may name a listening socket where there is no connection.
func readSocket(b []byte, at, to netip.AddrPort) (uint64, error) {
	order := binary.NativeEndian
	if len(b) < headSize+4 || int(order.Uint32(b)) > len(b) {
		return 0, errors.New("the kernel's answer about a socket is cut short")
	}
	typ := order.Uint16(b[4:])
	b = b[headSize:order.Uint32(b)]
	if typ == unix.NLMSG_ERROR {
		if errno := unix.Errno(-int32(order.Uint32(b))); errno != unix.ENOENT {
			return 0, fmt.Errorf("the kernel tells nothing about a socket: %w", errno)
		}
		return 0, nil
	}
	if typ != unix.SOCK_DIAG_BY_FAMILY || len(b) < messageSize {
		return 0, fmt.Errorf("the kernel's answer about a socket is of type %d", typ)
	}
	switch b[1] {
	case tcpEstablished, tcpFinWait1, tcpFinWait2, tcpCloseWait:
	default:
		return 0, nil
	}
	if address(b[0], b[8:24], b[4:6]) != at || address(b[0], b[24:40], b[6:8]) != to {
		return 0, nil
	}
	for a := b[messageSize:]; len(a) >= 4; {
		n := int(order.Uint16(a))
		if n < 4 || n > len(a) {
			break
		}
		if order.Uint16(a[2:]) == diagCgroup && n == 4+8 {
			return order.Uint64(a[4:]), nil
		}
		a = a[min(len(a), (n+3)&^3):]
	}
	return 0, errors.New("this kernel does not tell the cgroup of a socket")
}

// address of a socket; one of IPv6 may have an address of IPv4.
func address(family byte, ip, port []byte) netip.AddrPort {
	if family == unix.AF_INET {
		ip = ip[:4]
	}
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}
