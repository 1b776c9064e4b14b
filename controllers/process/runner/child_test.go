//go:build linux

package runner_test

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// child does what a script says, a word at a time, and never returns.
//
//	exit:N    end with N                    kill:N   end by signal N
//	say:TEXT  write a line                  wait     wait for a signal that ends it
//	trap      on SIGTERM write term, end 7  ignore   ignore SIGTERM
//	facts     write what it inherited       fork     start a child that waits, in this session
//	daemon    start a child that waits in a session of its own, write its pid
//	cwd       write the working directory   env      write the environment
func child(script string) {
	for _, word := range strings.Fields(script) {
		verb, arg, _ := strings.Cut(word, ":")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "exit":
			quit(n)
		case "kill":
			syscall.Kill(os.Getpid(), syscall.Signal(n))
			waitForever()
		case "say":
			fmt.Println(arg)
		case "wait":
			waitForever()
		case "trap":
			trap()
		case "ignore":
			signal.Ignore(syscall.SIGTERM)
		case "facts":
			facts()
		case "fork", "daemon":
			spawn(verb == "daemon")
		case "cwd":
			dir, _ := os.Getwd()
			fmt.Println(dir)
		case "env":
			fmt.Println(strings.Join(os.Environ(), " "))
		}
	}
	quit(0)
}

// waitForever does not use the signals' goroutine, so that the runtime does not call it a deadlock.
func waitForever() {
	var fds [2]int
	syscall.Pipe(fds[:])
	syscall.Read(fds[0], make([]byte, 1))
}

// quit ends at once. Under the race detector os.Exit takes a second.
func quit(code int) {
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
}

func trap() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM)
	go func() {
		<-ch
		fmt.Println("term")
		quit(7)
	}()
}

func spawn(daemon bool) {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"child"}, &syscall.ProcAttr{
		Env: []string{"RUNNER_CHILD=wait", "RUNNER_MARK=" + os.Getenv("RUNNER_MARK")}, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: daemon},
	})
	fmt.Println("child", pid, err)
}

// facts writes what a workload could inherit from the operator.
func facts() {
	runtime.LockOSThread()
	var fds []string
	dir, _ := os.Open("/proc/self/fd")
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		target, err := os.Readlink("/proc/self/fd/" + name)
		if n, _ := strconv.Atoi(name); err == nil && n > 2 && n != int(dir.Fd()) && !strings.Contains(target, "anon_inode") &&
			!strings.HasPrefix(target, "/sys/fs/cgroup/") { // Go's own
			fds = append(fds, target)
		}
	}
	in, _ := os.Readlink("/proc/self/fd/0")
	mask := syscall.Umask(0)
	oom, _ := os.ReadFile("/proc/self/oom_score_adj")
	fmt.Printf("fds=%v stdin=%s umask=%03o oom=%s\n", fds, in, mask, strings.TrimSpace(string(oom)))
	fmt.Printf("session=%v group=%v\n", sid() == os.Getpid(), syscall.Getpgrp() == os.Getpid())
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "SigIgn") || strings.HasPrefix(line, "SigBlk") {
			fmt.Println(strings.ReplaceAll(line, "\t", ""))
		}
	}
}

func sid() int {
	n, _, _ := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	return int(n)
}
