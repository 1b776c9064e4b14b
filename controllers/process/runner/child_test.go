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
	"time"
)

// child does what a script says, a word at a time, and never returns.
//
//	exit:N    end with N                    kill:N   end by signal N
//	say:TEXT  write a line                  wait     wait for a signal that ends it
//	trap      on SIGTERM write term, end 7  ignore   ignore SIGTERM
//	facts     write what it inherited       fork     start a child that waits, in this session
//	daemon    start a child that waits in a session of its own, write its pid
//	hog:N     use N MiB of memory           threads:N  start up to N processes that wait, say how many
//	read:PATH read a file, say how it went  dial:PORT  connect to a port of 127.0.0.1, say how it went
//	spin:N    use the processor for N ms, say how long it took in all
//	bomb      fork twice for ever, each time in a session of its own
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
		case "read":
			_, err := os.ReadFile(arg)
			fmt.Println("read", err)
		case "dial":
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
			if err == nil {
				err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
			}
			fmt.Println("dialled", err)
		case "hog":
			hog(n)
		case "threads":
			threads(n)
		case "spin":
			spin(time.Duration(n) * time.Millisecond)
		case "bomb":
			bomb()
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

// hogged keeps what hog allocates.
var hogged []byte

func hog(mib int) {
	b, err := syscall.Mmap(-1, 0, mib<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		fmt.Println("no memory", err)
		quit(9)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	hogged = b
	fmt.Println("hogged", mib)
}

func threads(n int) {
	started := 0
	for ; started < n; started++ {
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		if err != nil {
			break
		}
	}
	fmt.Println("started", started, "of", n)
}

// spin uses a processor until it had it for a time.
func spin(want time.Duration) {
	runtime.LockOSThread()
	began := time.Now()
	var u syscall.Rusage
	for used := time.Duration(0); used < want; used = time.Duration(u.Utime.Nano() + u.Stime.Nano()) {
		for range 1_000_000 {
		}
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	}
	fmt.Println("spun", time.Since(began).Milliseconds())
}

// bomb forks, and the child goes on while the parent ends: whoever looks for it finds what is gone.
func bomb() {
	fmt.Println("bomb")
	for {
		pid, _, err := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
		switch {
		case err != 0:
		case pid == 0:
			syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
		default:
			quit(0)
		}
	}
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
