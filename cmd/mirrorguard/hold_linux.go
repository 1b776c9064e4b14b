package main

import (
	"strconv"
	"strings"
	"syscall"
)

// holdDescriptor is where an operator leaves listening sockets with its guardian, and where it finds those of the operator before it. It is
// one end of a pair of sockets that keep packets whole:
//
//	put NAME    with one listening socket: the guardian holds it under that name, instead of what it had there
//	drop NAME   the guardian closes what it holds under that name
//	list        it answers with a packet `socket NAME` and the socket for each that it holds, and then with `done`
//
// What it does not understand, or has no room for, it ignores. An empty packet hangs up.
const holdDescriptor = 4

// The bounds of what is held. A name is of printable characters without a space.
const (
	maxHeld = 1024
	maxName = 255
)

// socketsVariable names the environment variable by which a program that becomes a guardian tells it the sockets that it brings along:
// FD:NAME, separated by spaces.
const socketsVariable = "MIRROROS_SOCKETS"

// holder holds listening sockets by name, so that whoever connects waits in their backlog while nobody accepts. It is served to one
// operator at a time, and only then used.
type holder map[string]int

// line is the guardian's end of a pair; served is closed when all that came on it was read.
type line struct {
	fd     int
	served chan struct{}
}

// inherit takes the sockets that an earlier life of this process left, before descriptors are marked close-on-exec.
func (h holder) inherit(list string) {
	for _, entry := range strings.Fields(list) {
		fd, name, _ := strings.Cut(entry, ":")
		n, err := strconv.Atoi(fd)
		if err != nil || n < endDescriptor || !listens(n) || h.has(n) {
			continue
		}
		if !h.put(name, n) {
			syscall.Close(n)
		}
	}
}

// open makes the pair for the next operator, whose end it returns, and serves the other.
func (h holder) open() (*line, int, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, err
	}
	patience := syscall.Timeval{Sec: 5} // for an operator that asks and does not listen
	syscall.SetsockoptTimeval(pair[0], syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &patience)
	l := &line{fd: pair[0], served: make(chan struct{})}
	go h.serve(l)
	return l, above(pair[1]), nil
}

// close reads what a dead operator had sent, so that the next one gets all that it left.
func (l *line) close() {
	if l != nil {
		syscall.Shutdown(l.fd, syscall.SHUT_RD)
		<-l.served
		syscall.Close(l.fd)
	}
}

// serve does what one operator asks for until it has hung up.
func (h holder) serve(l *line) {
	defer close(l.served)
	packet, control := make([]byte, maxName+16), make([]byte, syscall.CmsgSpace(4*4))
	for {
		n, cn, flags, _, err := syscall.Recvmsg(l.fd, packet, control, syscall.MSG_CMSG_CLOEXEC)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 && cn == 0 {
			return
		}
		fds := rights(control[:cn])
		if flags&(syscall.MSG_TRUNC|syscall.MSG_CTRUNC) != 0 || !h.obey(l.fd, string(packet[:n]), fds) {
			closeAll(fds)
		}
	}
}

// obey does what one packet says, and tells whether it kept the descriptor that came with it.
func (h holder) obey(to int, packet string, fds []int) bool {
	verb, name, _ := strings.Cut(packet, " ")
	switch {
	case verb == "put" && len(fds) == 1 && listens(fds[0]):
		return h.put(name, fds[0])
	case verb == "drop" && len(fds) == 0:
		h.drop(name)
	case packet == "list" && len(fds) == 0:
		h.list(to)
	}
	return false
}

func (h holder) put(name string, fd int) bool {
	_, replaces := h[name]
	if !isName(name) || !replaces && len(h) >= maxHeld {
		return false
	}
	h.drop(name)
	h[name] = fd
	return true
}

func (h holder) has(fd int) bool {
	for _, held := range h {
		if held == fd {
			return true
		}
	}
	return false
}

func (h holder) drop(name string) {
	if fd, ok := h[name]; ok {
		syscall.Close(fd)
		delete(h, name)
	}
}

// list sends all that is held.
func (h holder) list(to int) {
	for name, fd := range h {
		if !send(to, "socket "+name, syscall.UnixRights(fd)) {
			return
		}
	}
	send(to, "done", nil)
}

func send(to int, packet string, control []byte) bool {
	for {
		_, err := syscall.SendmsgN(to, []byte(packet), control, nil, syscall.MSG_NOSIGNAL)
		if err != syscall.EINTR {
			return err == nil
		}
	}
}

// rights are the descriptors that came with a packet.
func rights(control []byte) (fds []int) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		if got, err := syscall.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// listens tells whether a descriptor is a listening socket.
func listens(fd int) bool {
	v, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return err == nil && v == 1
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}
