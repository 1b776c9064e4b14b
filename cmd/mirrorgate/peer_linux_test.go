package main

import (
	"io"
	"net"
	"syscall"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// accepted connects a socket of a family to a listener and gives both ends. The socket has the port if it is not 0.
func accepted(l net.Listener, family int, to unix.Sockaddr, port int) (client int, server *net.TCPConn) {
	GinkgoHelper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	Expect(err).NotTo(HaveOccurred())
	if port != 0 {
		Expect(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)).To(Succeed())
		Expect(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port})).To(Succeed())
	}
	Expect(unix.Connect(fd, to)).To(Succeed())
	c, err := l.Accept()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() }) // it may be closed already
	return fd, c.(*net.TCPConn)
}

var _ = Describe("The other end of a TCP connection", func() {
	listen := func(address string) (net.Listener, int) {
		GinkgoHelper()
		l, err := net.Listen("tcp", address)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		return l, l.Addr().(*net.TCPAddr).Port
	}
	var p *peers
	var own uint64 // the number of this process' cgroup, as the kernel tells it of a socket
	BeforeEach(func() {
		p = newPeers(logr.Discard())
		l, port := listen("127.0.0.1:0")
		fd, c := accepted(l, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}, 0)
		defer unix.Close(fd)
		n, err := cgroupOfSocket(addressOf(c.RemoteAddr()), addressOf(c.LocalAddr()))
		Expect(err).NotTo(HaveOccurred())
		Expect(n).NotTo(BeZero())
		own = n
	})

	It("is known by its cgroup, of IPv4, IPv6 and IPv4 in IPv6, also when it has said its last", func() {
		mapped := [16]byte{10: 0xff, 11: 0xff, 12: 127, 15: 1}
		for _, one := range []struct {
			listen string
			family int
			to     func(port int) unix.Sockaddr
		}{
			{"127.0.0.1:0", unix.AF_INET, func(port int) unix.Sockaddr { return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port} }},
			{"[::1]:0", unix.AF_INET6, func(port int) unix.Sockaddr { return &unix.SockaddrInet6{Addr: [16]byte{15: 1}, Port: port} }},
			{"127.0.0.1:0", unix.AF_INET6, func(port int) unix.Sockaddr { return &unix.SockaddrInet6{Addr: mapped, Port: port} }},
			{"0.0.0.0:0", unix.AF_INET, func(port int) unix.Sockaddr { return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}, Port: port} }},
		} {
			l, port := listen(one.listen)
			fd, c := accepted(l, one.family, one.to(port), 0)
			Expect(p.of(c)).To(HaveField("CgroupID", own), one.listen)
			Expect(unix.Shutdown(fd, unix.SHUT_WR)).To(Succeed())
			_, err := c.Read(make([]byte, 1))
			Expect(err).To(Equal(io.EOF))
			Expect(p.of(c)).To(HaveField("CgroupID", own), one.listen)
			Expect(unix.Close(fd)).To(Succeed())
		}
	})

	It("is not taken for a later one of the same addresses", func() {
		l, port := listen("127.0.0.1:0")
		to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}
		fd, first := accepted(l, unix.AF_INET, to, 0)
		_, err := unix.Write(fd, []byte("GET / HTTP/1.1\r\n\r\n"))
		Expect(err).NotTo(HaveOccurred())
		name, err := unix.Getsockname(fd)
		Expect(err).NotTo(HaveOccurred())
		Expect(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})).To(Succeed())
		Expect(unix.Close(fd)).To(Succeed()) // with a reset: its addresses are free at once
		fd, second := accepted(l, unix.AF_INET, to, name.(*unix.SockaddrInet4).Port)
		defer unix.Close(fd)
		Expect(second.RemoteAddr()).To(Equal(first.RemoteAddr()))
		at, own2 := addressOf(first.RemoteAddr()), addressOf(first.LocalAddr())
		Expect(cgroupOfSocket(at, own2)).To(Equal(own), "there is a connection with these addresses")
		Expect(p.of(first)).To(BeNil(), "and it is not the other end of the first")
		Expect(p.of(second)).To(HaveField("CgroupID", own))
	})

	It("is nobody when it is gone, or of another kind", func() {
		l, port := listen("127.0.0.1:0")
		fd, c := accepted(l, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}, 0)
		Expect(unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})).To(Succeed())
		Expect(unix.Close(fd)).To(Succeed())
		Expect(p.of(c)).To(BeNil())
		c.Close()
		Expect(p.of(c)).To(BeNil())
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		Expect(p.of(a)).To(BeNil())
	})

	It("has an answer of the kernel's read with care", func() {
		l, port := listen("127.0.0.1:0")
		fd, c := accepted(l, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}, 0)
		defer unix.Close(fd)
		at, to := addressOf(c.RemoteAddr()), addressOf(c.LocalAddr())
		s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		Expect(err).NotTo(HaveOccurred())
		defer unix.Close(s)
		Expect(unix.Sendto(s, socketRequest(at, to), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})).To(Succeed())
		b := make([]byte, 4096)
		n, _, err := syscall.Recvfrom(s, b, 0)
		Expect(err).NotTo(HaveOccurred())
		b = b[:n]
		Expect(readSocket(b, at, to)).To(Equal(own))
		Expect(readSocket(b, to, at)).To(BeZero(), "it is of other addresses")
		for cut := range b {
			n, err := readSocket(b[:cut], at, to)
			Expect(n).To(BeZero(), "%d %v", cut, err)
		}
		b[headSize+1] = 10 // TCP_LISTEN
		Expect(readSocket(b, at, to)).To(BeZero())
	})
})
