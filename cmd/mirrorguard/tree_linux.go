package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// reasonDescriptor is where the error number goes when the command of a tree cannot be executed.
const reasonDescriptor = 3

// tree runs a command and all that it starts, and ends with the command: what is left then, in whatever session, is killed first. On
// SIGTERM everything is killed. Orphans below it become its children, so none gets away.
func tree(args []string) int {
	e, ok := parseCommand(args)
	if !ok {
		say("usage: mirrorguard tree [-u UID:GID:GROUPS] -- PATH ARGV0 ARGS…")
		return 2
	}
	syscall.CloseOnExec(reasonDescriptor)
	syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	kill := make(chan os.Signal, 1)
	signal.Notify(kill, syscall.SIGTERM)
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}}
	if e.user {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(e.uid), Gid: uint32(e.gid), Groups: e.groups}
	}
	pid, err := syscall.ForkExec(e.path, e.argv, attr)
	if err != nil {
		errno, _ := err.(syscall.Errno)
		syscall.Write(reasonDescriptor, []byte(strconv.Itoa(int(errno))+"\n"))
		return exitCannot
	}
	go func() {
		<-kill
		syscall.Kill(pid, syscall.SIGKILL) // it is not reaped before everything else is
	}()
	status := endOf(pid)
	fell(pid)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// endOf waits until a child has ended, and reaps all others meanwhile. The child itself keeps its number.
func endOf(pid int) syscall.WaitStatus {
	for {
		e, err := waitAny()
		if err != 0 {
			return 0
		}
		if e.pid != pid {
			reap(e.pid)
			continue
		}
		if e.code == cldExited {
			return syscall.WaitStatus(e.status << 8)
		}
		return syscall.WaitStatus(e.status)
	}
}

// fell kills all children and those that become so by it, and reaps them, until there is none. The command comes last.
func fell(pid int) {
	for {
		left := 0
		for _, c := range children() {
			if c != pid {
				left++
				syscall.Kill(c, syscall.SIGKILL)
			}
		}
		if left == 0 {
			break
		}
		for _, c := range children() {
			if c != pid {
				reap(c)
			}
		}
	}
	reap(pid)
}

// parseCommand reads [-u UID:GID:GROUPS] -- PATH ARGV0 ARGS….
func parseCommand(args []string) (*execution, bool) {
	e := &execution{}
	if len(args) > 1 && args[0] == "-u" {
		if !e.parseUser(args[1]) {
			return nil, false
		}
		args = args[2:]
	}
	if len(args) < 3 || args[0] != "--" {
		return nil, false
	}
	e.path, e.argv = args[1], args[2:]
	return e, true
}
