package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// variant is one chaos run.
type variant struct {
	guard                   string
	workloads, services     int
	kills, guardKills, both int
	helper                  bool
	seed                    int64
}

// limit is how long one run may take.
const limit = 10 * time.Minute

// run starts an operator, which makes itself a guardian, kills until it has killed enough, waits for the end and counts.
func (v variant) run() (result, error) {
	var res result
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"state", "done"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			return res, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // what guardians leave comes here, so that the end can be awaited
	d := &driver{variant: v, dir: dir, self: self, res: &res}
	began := time.Now()
	if err := d.start(); err != nil {
		return res, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	reaped := make(chan struct{})
	go func() { d.reap(); close(reaped) }()
	killed := make(chan error, 1)
	go func() { killed <- d.kill(ctx); put(dir, "stop", "") }()
	d.await(ctx)
	cancel()
	err = <-killed
	res.took = time.Since(began)
	d.orphans()
	d.over.Store(true)
	<-reaped
	return res, errors.Join(err, v.count(dir, &res))
}

// driver is a run under way.
type driver struct {
	variant
	dir, self string
	res       *result
	idle      atomic.Bool // nobody is left
	over      atomic.Bool
}

// start starts an operator as a service manager does. It makes itself a guardian.
func (d *driver) start() error {
	argv := []string{d.self, "operator", "-dir", d.dir, "-guard", d.guard, "-n", strconv.Itoa(d.workloads),
		"-services", strconv.Itoa(d.services), fmt.Sprintf("-helper=%v", d.helper)}
	_, err := syscall.ForkExec(d.self, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	return err
}

// reap does what init does, until the run is over and nobody is left.
func (d *driver) reap() {
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		d.idle.Store(errors.Is(err, unix.ECHILD))
		if !d.idle.Load() {
			continue
		}
		if d.over.Load() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// await waits until the operator says that all is done and guardian and operator are gone, or for a second nobody was left, or
// for too long.
func (d *driver) await(ctx context.Context) {
	for alone := 0; alone < 100; {
		time.Sleep(10 * time.Millisecond)
		if alone++; !d.idle.Load() {
			alone = 0
		}
		if _, err := os.Stat(filepath.Join(d.dir, "finished")); err == nil && len(d.processes("operator", "mirrorguard")) == 0 {
			return
		}
		if ctx.Err() != nil {
			for _, pid := range d.processes("operator", "mirrorguard") {
				unix.Kill(pid, unix.SIGKILL)
			}
			return
		}
	}
}

// orphans counts and ends the workloads that live and that nobody holds any more.
func (d *driver) orphans() {
	for _, pid := range d.processes("work") {
		d.res.orphans++
		unix.Kill(pid, unix.SIGKILL)
	}
}

// processes lists the living processes of this run that do one of these things.
func (d *driver) processes(roles ...string) []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline") // a zombie has none
		args := strings.Split(string(line), "\x00")
		if len(args) < 3 || !strings.Contains(string(line), d.dir) {
			continue
		}
		for _, r := range roles {
			if args[0] == r || args[1] == r {
				all = append(all, pid)
			}
		}
	}
	return all
}
