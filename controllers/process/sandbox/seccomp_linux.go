package sandbox

import (
	"encoding/hex"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Instructions of classic BPF, linux/bpf_common.h; offsets in struct seccomp_data.
const (
	ld, and, jeq, jset, jge, ret = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06

	number, arch = 0, 4
	arg0, arg1   = 16, 24 // the low halves, on a little-endian machine
	arg2, arg3   = 32, 40
)

const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	absent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// refused are calls by which a program could leave its sandbox, see or change others, or reach parts of the kernel that were open to many
// an attack before.
var refused = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_FSCONFIG, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SYSLOG,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_SENDMMSG, // its flags cannot be looked at
}

const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

func load(at uint32) unix.SockFilter  { return unix.SockFilter{Code: ld, K: at} }
func end(with uint32) unix.SockFilter { return unix.SockFilter{Code: ret, K: with} }

// jump goes t instructions ahead when it is so, f when not.
func jump(code uint16, k uint32, t, f uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, K: k, Jt: t, Jf: f}
}

// filter is the program that the kernel runs for each system call. Of sockets there are TCP over IPv4 and IPv6, and those with a path or
// a name on this host unless noUnix; pairs of them always. Fast Open is refused, because Landlock does not see the connection that it
// makes; so is clone3, whose arguments cannot be looked at, in a way that makes C libraries use clone.
func filter(noUnix bool) []unix.SockFilter {
	audit := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		audit = unix.AUDIT_ARCH_AARCH64
	}
	p := []unix.SockFilter{load(arch), jump(jeq, audit, 1, 0), end(unix.SECCOMP_RET_KILL_PROCESS), load(number)}
	if runtime.GOARCH == "amd64" {
		p = append(p, jump(jge, 0x40000000, 0, 1), end(refuse)) // the x32 interface
	}
	for _, n := range refused {
		p = append(p, jump(jeq, n, 0, 1), end(refuse))
	}
	p = append(p, jump(jeq, unix.SYS_CLONE3, 0, 1), end(absent),
		jump(jeq, unix.SYS_CLONE, 0, 4), load(arg0), jump(jset, newNamespaces, 0, 1), end(refuse), end(allow),
		jump(jeq, unix.SYS_SENDTO, 0, 4), load(arg3), jump(jset, unix.MSG_FASTOPEN, 0, 1), end(refuse), end(allow),
		jump(jeq, unix.SYS_SENDMSG, 0, 4), load(arg2), jump(jset, unix.MSG_FASTOPEN, 0, 1), end(refuse), end(allow),
		jump(jeq, unix.SYS_SOCKET, 1, 0), end(allow))
	local := uint32(allow)
	if noUnix {
		local = refuse
	}
	const kind, tcp = 0xf, unix.IPPROTO_TCP
	return append(p, load(arg0), jump(jeq, unix.AF_UNIX, 0, 1), end(local),
		jump(jeq, unix.AF_INET, 2, 0), jump(jeq, unix.AF_INET6, 1, 0), end(refuse),
		load(arg1), unix.SockFilter{Code: and, K: kind}, jump(jeq, unix.SOCK_STREAM, 1, 0), end(refuse),
		load(arg2), jump(jeq, 0, 1, 0), jump(jeq, tcp, 0, 1), end(allow), end(refuse))
}

// encode writes a program as the kernel has it in memory.
func encode(p []unix.SockFilter) string {
	return hex.EncodeToString(unsafe.Slice((*byte)(unsafe.Pointer(&p[0])), len(p)*int(unsafe.Sizeof(p[0]))))
}

func seccompAvailable(action *uint32) bool {
	_, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(action)))
	return err == 0
}
