package sockets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"mirroros.dev/mirroros/controllers/process/runner"
)

const unixPrefix = "unix:"

// unixPath is the path of a unix address.
func unixPath(a string) (string, bool) { return strings.CutPrefix(a, unixPrefix) }

// matches tells whether a socket that is bound somewhere is what is wanted. Port 0 is any.
func matches(bound, want string) bool {
	if bound == want {
		return true
	}
	b, err := netip.ParseAddrPort(bound)
	w, werr := netip.ParseAddrPort(want)
	return err == nil && werr == nil && b.Addr() == w.Addr() && (w.Port() == 0 || w.Port() == b.Port())
}

// listen makes a listening socket. old is the one that it takes the place of; nil for none.
func listen(want string, old *socket) (*os.File, error) {
	if path, ok := unixPath(want); ok {
		return listenUnix(path)
	}
	a, err := netip.ParseAddrPort(want)
	if err != nil {
		return nil, fmt.Errorf("%q is no address: want an IP address and a port, as 127.0.0.1:8088", want)
	}
	f, err := listenTCP(a)
	if errors.Is(err, syscall.EADDRINUSE) && old.overlaps(a) {
		return listenInstead(a, old)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		who := runner.Listener(int(a.Port()))
		if who == "" {
			who = "another program"
		}
		return nil, fmt.Errorf("%s is in use by %s", want, who)
	}
	return f, err
}

// overlaps tells whether a socket is in the way of another only because one of the two is at every address of the host.
func (s *socket) overlaps(a netip.AddrPort) bool {
	if s == nil {
		return false
	}
	b, err := netip.ParseAddrPort(s.bound)
	return err == nil && b.Port() == a.Port() && (b.Addr().IsUnspecified() || a.Addr().IsUnspecified())
}

// listenInstead is for an address that cannot be had beside the old one: that one stops listening, for everybody who has it, and begins
// again when the new one cannot be had all the same.
func listenInstead(a netip.AddrPort, old *socket) (f *os.File, err error) {
	fd, err := descriptor(old.file)
	if err != nil {
		return nil, err
	}
	if err := syscall.Shutdown(fd, syscall.SHUT_RD); err != nil {
		return nil, fmt.Errorf("cannot end listening at %s: %w", old.bound, err)
	}
	if f, err = listenTCP(a); err != nil {
		err = errors.Join(err, syscall.Listen(fd, syscall.SOMAXCONN))
	}
	return f, err
}

func listenTCP(a netip.AddrPort) (*os.File, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false) // it is dearer, and of no use on one host
	network := "tcp6"
	if a.Addr().Is4() {
		network = "tcp4"
	}
	l, err := c.Listen(context.Background(), network, a.String())
	if err != nil {
		return nil, cause(err)
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}

// listenUnix makes a unix socket that its owner alone may connect to, in place of one that nobody listens at.
func listenUnix(path string) (*os.File, error) {
	const longest = 107 // of sun_path
	if len(path) > longest {
		return nil, fmt.Errorf("the path %q has %d characters, and a unix socket's %d at most: give a shorter --run", path, len(path), longest)
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, cause(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return l.File()
}

// clear removes a socket that nobody listens at.
func clear(path string) error {
	i, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cause(err)
	case i.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%q is in the way, and no socket: move it", path)
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	switch {
	case err == nil:
		c.Close()
		return fmt.Errorf("%q is in use by another program", path)
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%q is in the way: %w", path, cause(err))
	}
	return os.Remove(path)
}

// cause is an error without what the caller says anyway.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return fmt.Errorf("cannot listen at %v: %w", op.Addr, op.Err)
	}
	return err
}

// address is where a socket listens; an error when it does not.
func address(f *os.File) (string, error) {
	fd, err := descriptor(f)
	if err != nil {
		return "", err
	}
	if v, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, acceptConn); err != nil || v == 0 {
		return "", fmt.Errorf("%q is no listening socket", f.Name())
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return "", err
	}
	switch a := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String(), nil
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String(), nil
	case *syscall.SockaddrUnix:
		return unixPrefix + a.Name, nil
	}
	return "", fmt.Errorf("%q is of a family that no gate serves", f.Name())
}

// descriptor is a file's number. Fd would make the socket block, for everybody who has it.
func descriptor(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd, err
}

// duplicate copies a file.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := descriptor(f)
	if err != nil {
		return nil, err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, err := syscall.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("cannot copy a socket: %w", err)
	}
	syscall.CloseOnExec(n)
	return os.NewFile(uintptr(n), f.Name()), nil
}
