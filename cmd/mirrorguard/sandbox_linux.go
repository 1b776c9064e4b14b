package main

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Numbers that package syscall does not have.
const (
	sysLandlockCreate   = 444
	sysLandlockAdd      = 445
	sysLandlockRestrict = 446

	prCapbsetDrop     = 24
	prCapAmbient      = 47
	prCapAmbientClear = 4
	prSetNoNewPrivs   = 38

	rulePath = 1
	ruleNet  = 2
	oPath    = 0x200000

	capVersion3 = 0x20080522
)

// sandbox is what the operator wrote down, in lines of a word and numbers in hexadecimal:
//
//	lo                            bring up the loopback of a new network
//	listen NUMBER                 listen at a port of it (in decimal), and give the socket away
//	caps MASK                     drop these capabilities
//	nnp                           set no_new_privs
//	landlock FILES NET SCOPE      restrict these rights, but for
//	path RIGHTS PATH              what is at or below a path
//	port RIGHTS NUMBER            a port (in decimal)
//	seccomp PROGRAM               filter system calls
//
// It is applied in two parts: what needs rights or sees files as the operator does, and what is left to do once the user is taken on.
type sandbox struct {
	lines [][]string
	rules int    // descriptor of the Landlock rules; -1 for none
	caps  uint64 // to be dropped
	doors []int  // listening sockets to be given away
}

// readSandbox reads a description from a descriptor, and closes it.
func readSandbox(fd int) (*sandbox, bool) {
	text, ok := readAll(fd)
	syscall.Close(fd)
	s := &sandbox{rules: -1}
	for _, line := range strings.Split(text, "\n") {
		if line != "" {
			s.lines = append(s.lines, strings.SplitN(line, " ", 4))
		}
	}
	return s, ok
}

// prepare does what comes before the user is taken on.
func (s *sandbox) prepare() syscall.Errno {
	for _, f := range s.lines {
		var err syscall.Errno
		switch f[0] {
		case "lo":
			err = loopbackUp()
		case "listen":
			err = s.listen(f[1])
		case "caps":
			s.caps = hexNumber(f, 1)
			dropBounding(s.caps)
		case "landlock":
			attr := [3]uint64{hexNumber(f, 1), hexNumber(f, 2), hexNumber(f, 3)}
			size := unsafe.Sizeof(attr)
			if attr[2] == 0 { // kernels before the sixth version know of no third number
				size -= 8
			}
			if attr[1] == 0 && attr[2] == 0 {
				size = 8
			}
			var fd uintptr
			fd, _, err = syscall.RawSyscall(sysLandlockCreate, uintptr(unsafe.Pointer(&attr)), size, 0)
			s.rules = int(fd)
		case "path":
			err = s.allowPath(hexNumber(f, 1), strings.Join(f[2:], " "))
		case "port":
			port, _ := number(f[2])
			attr := [2]uint64{hexNumber(f, 1), uint64(port)}
			_, _, err = syscall.RawSyscall6(sysLandlockAdd, uintptr(s.rules), ruleNet, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
		}
		if err != 0 {
			return err
		}
	}
	return 0
}

// listen makes a socket that listens on the loopback of the new network.
func (s *sandbox) listen(port string) syscall.Errno {
	n, _ := number(port)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		s.doors = append(s.doors, fd)
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = syscall.Listen(fd, syscall.SOMAXCONN)
	}
	errno, _ := err.(syscall.Errno)
	return errno
}

// giveAway sends the listening sockets over a socket and waits for a byte that says that they are where they belong: an operator that died
// meanwhile says nothing, and then this run does not begin.
func (s *sandbox) giveAway(fd int) syscall.Errno {
	defer syscall.Close(fd)
	if len(s.doors) == 0 {
		return 0
	}
	err := syscall.Sendmsg(fd, []byte{1}, syscall.UnixRights(s.doors...), nil, 0)
	for _, d := range s.doors {
		syscall.Close(d)
	}
	if err != nil {
		return err.(syscall.Errno)
	}
	var b [1]byte
	for {
		n, err := syscall.Read(fd, b[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err.(syscall.Errno)
		}
		if n != 1 {
			return syscall.EPIPE
		}
		return 0
	}
}

// allowPath adds a rule. The kernel's struct is packed: a 64 bit number and a 32 bit descriptor.
func (s *sandbox) allowPath(rights uint64, path string) syscall.Errno {
	fd, err := syscall.Open(path, oPath|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno)
	}
	defer syscall.Close(fd)
	var attr [12]byte
	*(*uint64)(unsafe.Pointer(&attr[0])) = rights
	*(*int32)(unsafe.Pointer(&attr[8])) = int32(fd)
	_, _, errno := syscall.RawSyscall6(sysLandlockAdd, uintptr(s.rules), rulePath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	return errno
}

// enter does the rest, for this thread, which becomes the program.
func (s *sandbox) enter() syscall.Errno {
	if err := dropCapabilities(s.caps); err != 0 {
		return err
	}
	for _, f := range s.lines {
		var err syscall.Errno
		switch f[0] {
		case "nnp":
			_, _, err = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0)
		case "landlock":
			_, _, err = syscall.RawSyscall(sysLandlockRestrict, uintptr(s.rules), 0, 0)
			syscall.Close(s.rules)
		case "seccomp":
			err = filterCalls(f[1])
		}
		if err != 0 {
			return err
		}
	}
	return 0
}

// filterCalls sets a program, the last thing before the exec.
func filterCalls(text string) syscall.Errno {
	program := make([]byte, len(text)/2)
	for i := range program {
		n, err := strconv.ParseUint(text[2*i:2*i+2], 16, 8)
		if err != nil {
			return syscall.EINVAL
		}
		program[i] = byte(n)
	}
	if len(program) == 0 {
		return syscall.EINVAL
	}
	prog := struct {
		len    uint16
		filter *byte
	}{uint16(len(program) / 8), &program[0]}
	const setModeFilter = 1
	_, _, err := syscall.RawSyscall(sysSeccomp, setModeFilter, 0, uintptr(unsafe.Pointer(&prog)))
	return err
}

// dropBounding takes capabilities away from whatever is executed from now on. Who may not has none to give.
func dropBounding(mask uint64) {
	for n := uintptr(0); n < 64; n++ {
		if mask&(1<<n) != 0 {
			syscall.RawSyscall6(syscall.SYS_PRCTL, prCapbsetDrop, n, 0, 0, 0, 0)
		}
	}
}

// dropCapabilities takes them from this thread.
func dropCapabilities(mask uint64) syscall.Errno {
	if mask == 0 {
		return 0
	}
	syscall.RawSyscall6(syscall.SYS_PRCTL, prCapAmbient, prCapAmbientClear, 0, 0, 0, 0)
	header := struct {
		version uint32
		pid     int32
	}{version: capVersion3}
	var data [2]struct{ effective, permitted, inheritable uint32 }
	if _, _, err := syscall.RawSyscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0); err != 0 {
		return err
	}
	for i := range data {
		keep := ^uint32(mask >> (32 * i))
		data[i].effective, data[i].permitted, data[i].inheritable = data[i].effective&keep, data[i].permitted&keep, 0
	}
	_, _, err := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	return err
}

// loopbackUp sets the flags of lo.
func loopbackUp() syscall.Errno {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno)
	}
	defer syscall.Close(fd)
	var request [40]byte // struct ifreq
	copy(request[:], "lo")
	*(*uint16)(unsafe.Pointer(&request[16])) = syscall.IFF_UP | syscall.IFF_RUNNING
	_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	return errno
}

func hexNumber(f []string, i int) uint64 {
	if i >= len(f) {
		return 0
	}
	n, _ := strconv.ParseUint(f[i], 16, 64)
	return n
}
