package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kill kills operators and guardians at seeded moments, until enough or until the one-shot workloads are done. A guardian is
// killed under a living operator, and the next kill waits for the new one: it may be quite young then. Where both are killed at
// once nobody is left to go on, and a new operator is started.
func (d *driver) kill(ctx context.Context) error {
	rnd := rand.New(rand.NewSource(d.seed))
	var dead, away int // the operator and the guardian killed last: they may have no successor yet, or be dying still
	for {
		ops, guards, both := d.kills-d.res.kills, d.guardKills-d.res.guardKills, d.both-d.res.both
		if ops+guards+both <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(1+rnd.Intn(25)) * time.Millisecond):
		}
		if _, err := os.Stat(filepath.Join(d.dir, "drained")); err == nil {
			return nil
		}
		text, _ := os.ReadFile(filepath.Join(d.dir, "pids"))
		var pids [2]int
		fmt.Sscan(string(text), &pids[0], &pids[1])
		if pids[0] == dead || pids[1] == away {
			continue
		}
		operator, guardian := open(pids[0], d.self+"\x00operator", d.dir), open(pids[1], "mirrorguard\x00", d.dir)
		ok := operator >= 0 && guardian >= 0
		switch n := rnd.Intn(ops + guards + both); {
		case n < ops:
			if operator >= 0 && unix.PidfdSendSignal(operator, unix.SIGKILL, nil, 0) == nil {
				d.res.kills++
				dead = pids[0]
			}
		case n < ops+guards:
			if ok && unix.PidfdSendSignal(guardian, unix.SIGKILL, nil, 0) == nil {
				d.res.guardKills++
				away = pids[1]
			}
		case ok:
			unix.PidfdSendSignal(guardian, unix.SIGKILL, nil, 0)
			unix.PidfdSendSignal(operator, unix.SIGKILL, nil, 0)
			d.res.both++
			dead, away = pids[0], pids[1]
			if err := d.start(); err != nil {
				return err
			}
		}
		unix.Close(operator)
		unix.Close(guardian)
	}
}

// open opens a pidfd of a process when it is what the file said, and not another with its number; -1 otherwise.
func open(pid int, name, dir string) int {
	if pid <= 1 {
		return -1
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.HasPrefix(string(line), name) || !strings.Contains(string(line), dir) {
		unix.Close(fd)
		return -1
	}
	return fd
}
