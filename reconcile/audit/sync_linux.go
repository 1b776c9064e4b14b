package audit

import (
	"os"
	"syscall"
)

// fdatasync makes the data of a file and its size durable, and leaves out what nobody needs of it.
func fdatasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			if err != nil {
				return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
			}
			return nil
		}
	}
}
