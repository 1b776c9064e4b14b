package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/controllers/process/runner"
)

const rounds = 400

// costs prints what the runner's ways cost beside the bare system calls.
func costs(guard string) error {
	fmt.Println("\nmilliseconds                          p50     p90")
	var floor []time.Duration
	for range rounds {
		began := time.Now()
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
		if err != nil {
			return err
		}
		unix.Wait4(pid, nil, 0, nil)
		floor = append(floor, time.Since(began))
	}
	show("fork, exec, wait: floor", floor)
	replace, err := bareReplace()
	if err != nil {
		return err
	}
	show("crash to replacement: floor", replace)
	if err := bareMany(); err != nil {
		return err
	}
	for _, parent := range []string{"", runner.NoCgroup} {
		if err := cost(guard, parent); err != nil {
			return err
		}
	}
	return nil
}

func show(what string, d []time.Duration) {
	slices.Sort(d)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fmt.Printf("%-32s  %7.3f %7.3f\n", what, ms(d[len(d)/2]), ms(d[len(d)*9/10]))
}

// bareReplace kills a process, polls its pidfd and executes another.
func bareReplace() ([]time.Duration, error) {
	start := func() (int, error) {
		var fd int
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &fd}})
		return fd, err
	}
	fd, err := start()
	var all []time.Duration
	for range rounds {
		if err != nil {
			return nil, err
		}
		began := time.Now()
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		old := fd
		fd, err = start()
		all = append(all, time.Since(began))
		unix.Waitid(unix.P_PIDFD, old, nil, unix.WEXITED, nil)
		unix.Close(old)
	}
	unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED, nil)
	return all, unix.Close(fd)
}

// bareMany executes 500 processes, one after the other: Go forks one at a time.
func bareMany() error {
	began := time.Now()
	var fds []int
	for range 500 {
		var fd int
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &fd}})
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	fmt.Printf("%-32s  %7.0f\n", "500 starts: floor", float64(time.Since(began))/1e6)
	for _, fd := range fds {
		unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	for _, fd := range fds {
		unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED, nil)
		unix.Close(fd)
	}
	return nil
}

// bench is a runner whose ends are told through a channel.
type bench struct {
	*runner.Runner
	ended chan string
	out   *os.File
	name  string
}

func (b *bench) start(id string, attempt int, argv ...string) error {
	_, err := b.Start(runner.Spec{ID: id, Attempt: attempt, Owner: "bench", Path: argv[0], Argv: argv, Output: b.out.Fd()})
	return err
}

func cost(guard, parent string) error {
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	r, err := runner.Open(runner.Options{StateDir: dir, Guard: guard, CgroupParent: parent})
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	b := &bench{Runner: r, ended: make(chan string, 4096), out: out, name: "cgroup"}
	if r.Capabilities().CgroupV2 == "" {
		b.name = "helper"
	}
	finished := make(chan error, 1)
	go func() { finished <- r.Run(ctx, func(id string) { b.ended <- id }) }()
	for _, f := range []func() error{b.single, b.replace, b.many} {
		if err == nil {
			err = f()
		}
	}
	cancel()
	<-finished
	return err
}

// single measures Start alone, and from Start to the notice of the exit.
func (b *bench) single() error {
	var starts, whole []time.Duration
	for n := range rounds {
		began := time.Now()
		if err := b.start("one", n+1, "/bin/true"); err != nil {
			return err
		}
		starts = append(starts, time.Since(began))
		<-b.ended
		whole = append(whole, time.Since(began))
	}
	show("Start, "+b.name, starts)
	show("Start to exit told, "+b.name, whole)
	return b.Forget("one")
}

// replace measures from the death of a process until its replacement was executed.
func (b *bench) replace() error {
	if err := b.start("crash", 1, "/bin/sleep", "1000"); err != nil {
		return err
	}
	var all []time.Duration
	for n := range rounds {
		began := time.Now()
		b.Signal("crash", syscall.SIGKILL)
		<-b.ended
		if err := b.start("crash", n+2, "/bin/sleep", "1000"); err != nil {
			return err
		}
		all = append(all, time.Since(began))
	}
	show("crash to replacement, "+b.name, all)
	b.Kill("crash")
	<-b.ended
	return b.Forget("crash")
}

// many measures 500 starts, the memory of holding them, opening with them, and their end.
func (b *bench) many() error {
	const n = 500
	before := heap()
	began := time.Now()
	slots, failed := make(chan struct{}, 4), make(chan error, n)
	for i := range n {
		slots <- struct{}{}
		go func() {
			if err := b.start("m"+strconv.Itoa(i), 1, "/bin/sleep", "1000"); err != nil {
				failed <- err
			}
			<-slots
		}()
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Printf("%-32s  %7.0f\n", "500 starts, "+b.name, float64(time.Since(began))/1e6)
	fmt.Printf("%-32s  %7d\n", "heap bytes a held process", (heap()-before)/n)
	began = time.Now()
	for i := range n {
		b.Kill("m" + strconv.Itoa(i))
	}
	for range n {
		<-b.ended
	}
	fmt.Printf("%-32s  %7.0f\n", "500 killed and told, "+b.name, float64(time.Since(began))/1e6)
	for i := range n {
		if err := b.Forget("m" + strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
