package ledger

import (
	"os"
	"syscall"
)

// fdatasync makes the data of a file and its size durable.
func fdatasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync "+f.Name(), err)
		}
	}
}
