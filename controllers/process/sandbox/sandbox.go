package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Level is how much is blocked.
type Level int

// The levels, each with all of the one before it.
const (
	None Level = iota
	Restricted
	Strict
	Isolated
)

var levelNames = []string{"None", "Restricted", "Strict", "Isolated"}

func (l Level) String() string { return levelNames[l] }

// ParseLevel of a name.
func ParseLevel(name string) (Level, bool) {
	i := slices.Index(levelNames, name)
	return Level(max(i, 0)), i >= 0
}

// Options say what one process may do. Paths are absolute and must exist, but for SystemPaths, which are added.
type Options struct {
	Level Level
	// ReadOnly may be read and executed, ReadWrite written as well; a directory with all below it. Append may be written, not read.
	ReadOnly, ReadWrite, Append []string
	// ConnectTCP are the ports that connections may be made to, at Strict.
	ConnectTCP []int
	// Listen are ports of the loopback of its own network, at Isolated, at which the helper listens for somebody outside.
	Listen []int
	// Unconfined: without seccomp.
	Unconfined bool
	// Keep are the capabilities that are not dropped, a bit for each by its number; of a program that is not root's there are none.
	Keep uint64
	// Root: it runs as root.
	Root bool
}

// Plan is a sandbox written down for the helper.
type Plan struct {
	// Text is for mirrorguard.
	Text []byte
	// NewNet: it begins in a network of its own; NewUser: for that it needs a user namespace of its own too.
	NewNet, NewUser bool
	// Missing is what the level promises and this host cannot give; Weaker is what is less than it could be.
	Missing, Weaker []string
}

// SystemPaths are what every program may read and execute from Restricted on, as far as they exist.
var SystemPaths = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/proc",
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives", "/etc/localtime", "/etc/timezone",
	"/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies",
	"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/hostname",
	"/etc/protocols", "/etc/services", "/etc/mime.types", "/etc/os-release", "/etc/locale.alias", "/etc/inputrc", "/etc/terminfo", "/etc/fonts",
	"/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage",
}

// devices may be read and written by every program.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// Compile writes down a sandbox for this host. An error is one of the options'; what the host lacks is in the plan.
func (h *Host) Compile(o Options) (*Plan, error) {
	p := &Plan{}
	if o.Level == None {
		return p, nil
	}
	var b strings.Builder
	if o.Level >= Isolated {
		h.isolate(p, &b, o.Listen)
	}
	if o.Root && o.Keep != 0 {
		p.Weaker = append(p.Weaker, "it runs as root and keeps capabilities, which open much of what is blocked for others")
	}
	fmt.Fprintf(&b, "caps %x\n", ^o.Keep)
	b.WriteString("nnp\n")
	if err := h.landlock(p, &b, o); err != nil {
		return nil, err
	}
	if o.Level >= Strict && !o.Unconfined {
		if h.Seccomp {
			fmt.Fprintf(&b, "seccomp %s\n", encode(filter(o.Level >= Isolated)))
		} else {
			p.Missing = append(p.Missing, "this kernel has no seccomp filters")
		}
	}
	if o.Level >= Strict && o.Unconfined {
		p.Weaker = append(p.Weaker, "seccomp is Unconfined: UDP, Multipath TCP, io_uring and namespaces are open")
	}
	p.Text = []byte(b.String())
	return p, nil
}

// isolate asks for a network namespace.
func (h *Host) isolate(p *Plan, b *strings.Builder, listen []int) {
	switch {
	case h.NetNS == "":
		p.NewNet = true
	case h.UserNS == "":
		p.NewNet, p.NewUser = true, true
	default:
		p.Missing = append(p.Missing, "no network namespace can be made: "+h.NetNS+"; with a user namespace: "+h.UserNS)
		return
	}
	b.WriteString("lo\n")
	for _, port := range listen {
		fmt.Fprintf(b, "listen %d\n", port)
	}
}

// Rights of Landlock, linux/landlock.h.
const (
	fsExecute = 1 << iota
	fsWriteFile
	fsReadFile
	fsReadDir
	fsRemoveDir
	fsRemoveFile
	fsMakeChar
	fsMakeDir
	fsMakeReg
	fsMakeSock
	fsMakeFifo
	fsMakeBlock
	fsMakeSym
	fsRefer
	fsTruncate
	fsIoctlDev

	fsRead   = fsExecute | fsReadFile | fsReadDir
	fsAppend = fsWriteFile
	fsAll    = fsIoctlDev<<1 - 1
	fsWrite  = fsAll &^ (fsMakeChar | fsMakeBlock)
	fsOfFile = fsExecute | fsWriteFile | fsReadFile | fsTruncate | fsIoctlDev

	netConnect = 2
	scopeAll   = 1 | 2 // abstract unix sockets, signals
)

// known are the rights that a version of Landlock has.
func known(abi int) int {
	switch {
	case abi < 2:
		return fsRefer - 1
	case abi < 3:
		return fsTruncate - 1
	case abi < 5:
		return fsIoctlDev - 1
	}
	return fsAll
}

func (h *Host) landlock(p *Plan, b *strings.Builder, o Options) error {
	if h.Landlock == 0 {
		p.Missing = append(p.Missing, "this kernel has no Landlock: files are not restricted")
		return checkPaths(o)
	}
	if h.Landlock < 3 {
		p.Weaker = append(p.Weaker, fmt.Sprintf("this kernel has Landlock %d: files that may be read can be truncated", h.Landlock))
	}
	net, scope := 0, 0
	if o.Level == Strict {
		if net = netConnect; h.Landlock < 4 {
			p.Missing, net = append(p.Missing, fmt.Sprintf("this kernel has Landlock %d, and TCP is restricted from 4 on", h.Landlock)), 0
		}
	}
	if o.Level >= Strict {
		if scope = scopeAll; h.Landlock < 6 {
			p.Weaker, scope = append(p.Weaker, fmt.Sprintf("this kernel has Landlock %d: signals and abstract unix sockets are restricted from 6 on", h.Landlock)), 0
		}
	}
	handled := known(h.Landlock)
	fmt.Fprintf(b, "landlock %x %x %x\n", handled, net, scope)
	for _, s := range SystemPaths {
		addPath(b, s, fsRead&handled)
	}
	for _, s := range devices {
		addPath(b, s, (fsReadFile|fsWriteFile)&handled)
	}
	if err := checkPaths(o); err != nil {
		return err
	}
	for _, l := range []struct {
		paths []string
		right int
	}{{o.ReadOnly, fsRead}, {o.ReadWrite, fsWrite}, {o.Append, fsAppend}} {
		for _, s := range l.paths {
			addPath(b, s, l.right&handled)
		}
	}
	if net != 0 {
		for _, port := range o.ConnectTCP {
			fmt.Fprintf(b, "port %x %d\n", netConnect, port)
		}
	}
	return nil
}

// addPath adds a path that exists.
func addPath(b *strings.Builder, path string, right int) {
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	if !info.IsDir() {
		right &= fsOfFile
	}
	fmt.Fprintf(b, "path %x %s\n", right, path)
}

// checkPaths refuses what cannot be a rule.
func checkPaths(o Options) error {
	for _, path := range slices.Concat(o.ReadOnly, o.ReadWrite, o.Append) {
		switch _, err := os.Stat(path); {
		case !filepath.IsAbs(path) || strings.ContainsAny(path, "\n\x00"):
			return fmt.Errorf("the path %s is not one that a sandbox can have", strconv.Quote(path))
		case os.IsNotExist(err):
			return fmt.Errorf("the path %q does not exist", path)
		case err != nil:
			return fmt.Errorf("the path %q: %v", path, err)
		}
	}
	return nil
}
