package attack

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/sandbox"
)

type attempt struct {
	Attempt
	try func(t *Target) error
}

// attempts is the table.
var attempts = []attempt{
	{Attempt{"read a file outside", sandbox.Restricted}, func(t *Target) error { return read(t.Dir + "/outside/file") }},
	{Attempt{"list a directory outside", sandbox.Restricted}, func(t *Target) error { _, err := os.ReadDir(t.Dir + "/outside"); return err }},
	{Attempt{"write a file outside", sandbox.Restricted}, func(t *Target) error { return os.WriteFile(t.Dir+"/outside/new", nil, 0o600) }},
	{Attempt{"write a file that is to be read only", sandbox.Restricted}, func(t *Target) error { return os.WriteFile(t.Dir+"/readonly/new", nil, 0o600) }},
	{Attempt{"truncate a file that is to be read only", sandbox.Restricted}, func(t *Target) error { return os.Truncate(t.Dir+"/readonly/file", 0) }},
	{Attempt{"follow a symlink out of an allowed directory", sandbox.Restricted}, func(t *Target) error { return read(t.Dir + "/inside/link") }},
	{Attempt{"rename a file out of an allowed directory", sandbox.Restricted}, rename},
	{Attempt{"execute a file outside", sandbox.Restricted}, func(t *Target) error { return run(t.Dir + "/outside/true") }},
	{Attempt{"trace a process outside", sandbox.Restricted}, trace},
	{Attempt{"read the memory of a process outside", sandbox.Restricted}, readMemory},
	{Attempt{"read the environment of a process outside", sandbox.Restricted}, func(t *Target) error { return read(proc(t, "environ")) }},
	{Attempt{"take a descriptor of a process outside", sandbox.Restricted}, takeDescriptor},
	{Attempt{"join a namespace of a process outside", sandbox.Restricted}, joinNamespace},
	{Attempt{"mount a file system", sandbox.Restricted}, mount},
	{Attempt{"open a raw socket", sandbox.Restricted}, socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
	{Attempt{"open a packet socket", sandbox.Restricted}, socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
	{Attempt{"signal a process outside", sandbox.Strict}, func(t *Target) error { return syscall.Kill(t.Victim, 0) }},
	{Attempt{"connect by TCP to another port", sandbox.Strict}, func(t *Target) error { return dial("tcp4", "127.0.0.1", t.Other) }},
	{Attempt{"connect by TCP over IPv6 to another port", sandbox.Strict}, func(t *Target) error { return dial("tcp6", "::1", t.Other) }},
	{Attempt{"send by UDP", sandbox.Strict}, echo},
	{Attempt{"connect by Multipath TCP to another port", sandbox.Strict}, multipath},
	{Attempt{"connect by TCP Fast Open to another port", sandbox.Strict}, fastOpen},
	{Attempt{"connect by TCP Fast Open with sendmsg", sandbox.Strict}, fastOpenMessage},
	{Attempt{"open a netlink socket", sandbox.Strict}, socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)},
	{Attempt{"open a vsock socket", sandbox.Strict}, socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
	{Attempt{"connect to an abstract unix socket outside", sandbox.Strict}, func(t *Target) error { return dialUnix("unix", "@"+t.Abstract) }},
	{Attempt{"set up io_uring", sandbox.Strict}, ioUring},
	{Attempt{"make a user namespace", sandbox.Strict}, newNamespace},
	{Attempt{"add a key to the kernel's keyring", sandbox.Strict}, addKey},
	{Attempt{"connect by TCP to a port of connectTCP", sandbox.Isolated}, func(t *Target) error { return dial("tcp4", "127.0.0.1", t.Allowed) }},
	{Attempt{"connect to a unix socket outside by its path", sandbox.Isolated}, func(t *Target) error { return dialUnix("unix", t.Dir+"/outside.sock") }},
	{Attempt{"send to a unix datagram socket outside by its path", sandbox.Isolated}, func(t *Target) error { return dialUnix("unixgram", t.Dir+"/outside.dgram") }},
	{Attempt{"serve a unix socket by its path", sandbox.Isolated}, func(t *Target) error { return serveUnix(t.Dir + "/inside/own.sock") }},
	{Attempt{"serve an abstract unix socket", sandbox.Isolated}, func(t *Target) error { return serveUnix("@" + t.Abstract + "-own") }},
	{Attempt{"attach System V shared memory of a process outside", sandbox.Isolated}, attach},
	{Attempt{"see whether a file outside exists", Never}, func(t *Target) error { _, err := os.Stat(t.Dir + "/outside/file"); return err }},
	{Attempt{"read the command line of a process outside", Never}, func(t *Target) error { return read(proc(t, "cmdline")) }},
	{Attempt{"execute a file that it wrote", Never}, executeOwn},
	{Attempt{"execute memory", Never}, executeMemory},
	{Attempt{"listen by TCP", Never}, listen},
	{Attempt{"write where it may", Never}, func(t *Target) error { return os.WriteFile(t.Dir+"/inside/new", nil, 0o600) }},
	{Attempt{"make a pair of unix sockets", Never}, pair},
}

// Attempts lists what is tried.
func Attempts() []Attempt {
	out := make([]Attempt, len(attempts))
	for i, a := range attempts {
		out[i] = a.Attempt
	}
	return out
}

// Try tries everything, from where it is.
func Try(t *Target) []Result {
	out := make([]Result, len(attempts))
	for i, a := range attempts {
		err := a.try(t)
		out[i] = Result{Attempt: a.Attempt, Open: err == nil}
		if err != nil {
			out[i].Why = last(err).Error()
		}
	}
	return out
}

// last is the innermost error.
func last(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

func proc(t *Target, file string) string { return "/proc/" + strconv.Itoa(t.Victim) + "/" + file }

func read(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func rename(t *Target) error {
	from := t.Dir + "/inside/moved"
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		return err
	}
	return os.Rename(from, t.Dir+"/outside/moved")
}

// run executes a program and expects it to end well.
func run(path string) error {
	pid, err := syscall.ForkExec(path, []string{path}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err = syscall.Wait4(pid, &ws, 0, nil); err == nil && ws.ExitStatus() != 0 {
		err = fmt.Errorf("exit %d", ws.ExitStatus())
	}
	return err
}

func trace(t *Target) error {
	const seize = 0x4206
	if _, _, err := unix.Syscall6(unix.SYS_PTRACE, seize, uintptr(t.Victim), 0, 0, 0, 0); err != 0 {
		return err
	}
	unix.PtraceDetach(t.Victim)
	return nil
}

// readMemory reads at an address that is not there: what may not be read is refused before anybody looks.
func readMemory(t *Target) error {
	var b [1]byte
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	_, err := unix.ProcessVMReadv(t.Victim, local, []unix.RemoteIovec{{Base: 8, Len: 1}}, 0)
	if errors.Is(err, unix.EFAULT) {
		return nil
	}
	return err
}

func takeDescriptor(t *Target) error {
	fd, err := unix.PidfdOpen(t.Victim, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	got, err := unix.PidfdGetfd(fd, 0, 0)
	if err == nil {
		unix.Close(got)
	}
	return err
}

func joinNamespace(t *Target) error {
	fd, err := unix.Open(proc(t, "ns/net"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

func mount(t *Target) error {
	dir := t.Dir + "/inside/mount"
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	err := unix.Mount("none", dir, "tmpfs", 0, "size=4k")
	if err == nil {
		unix.Unmount(dir, unix.MNT_DETACH)
	}
	return err
}

func socket(domain, kind, protocol int) func(*Target) error {
	return func(*Target) error {
		fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

// patience is how long an answer may take; all is on loopback.
const patience = time.Second

func dial(network, host string, port int) error {
	return dialUnix(network, net.JoinHostPort(host, strconv.Itoa(port)))
}

// dialUnix connects, and sends a byte where connecting alone sends nothing.
func dialUnix(network, address string) error {
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	if network == "unixgram" {
		_, err = c.Write([]byte("x"))
	}
	return err
}

func serveUnix(name string) error {
	l, err := net.Listen("unix", name)
	if err == nil {
		l.Close()
	}
	return err
}

func echo(t *Target) error {
	c, err := net.Dial("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.UDP)))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err = c.Write([]byte("x")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// stream opens a TCP socket of a protocol for one use.
func stream(protocol int, use func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return use(fd)
}

func loopback(port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func multipath(t *Target) error {
	return stream(unix.IPPROTO_MPTCP, func(fd int) error { return unix.Connect(fd, loopback(t.Other)) })
}

func fastOpen(t *Target) error {
	return stream(0, func(fd int) error { return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, loopback(t.Other)) })
}

func fastOpenMessage(t *Target) error {
	return stream(0, func(fd int) error { return unix.Sendmsg(fd, []byte("x"), nil, loopback(t.Other), unix.MSG_FASTOPEN) })
}

func ioUring(*Target) error {
	var params [120]byte
	fd, _, err := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	if err != 0 {
		return err
	}
	return unix.Close(int(fd))
}

// newNamespace clones into one; the exec after it fails on purpose.
func newNamespace(*Target) error {
	_, err := syscall.ForkExec("/proc/self/no-such-program", []string{"x"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

func addKey(*Target) error {
	_, err := unix.AddKey("user", "mirroros-attack", []byte("x"), unix.KEY_SPEC_THREAD_KEYRING)
	return err
}

// executeOwn copies a program to where it may write.
func executeOwn(t *Target) error {
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		return err
	}
	path := filepath.Join(t.Dir, "inside/true")
	if err := os.WriteFile(path, data, 0o700); err != nil {
		return err
	}
	return run(path)
}

func attach(t *Target) error {
	b, err := unix.SysvShmAttach(t.Shared, 0, 0)
	if err == nil {
		err = unix.SysvShmDetach(b)
	}
	return err
}

func executeMemory(*Target) error {
	data, err := os.ReadFile("/bin/true")
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("x", 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, data); err != nil {
		return err
	}
	return run("/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(fd))
}

func listen(*Target) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		l.Close()
	}
	return err
}

func pair(*Target) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
	}
	return err
}
