package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// variant is one chaos run.
type variant struct {
	guard                        string
	workloads, kills, guardKills int
	helper                       bool
	seed                         int64
}

// result is what came out.
type result struct {
	kills, guardKills                        int // that landed
	duplicates, never, lost, wrong, leftover int
	took                                     time.Duration
}

const header = "workloads  claims   op kills  guard kills  duplicates  never started  codes lost  codes wrong  left over  took"

func (v variant) row(r result) string {
	claims := "cgroup"
	if v.helper {
		claims = "helper"
	}
	return fmt.Sprintf("%9d  %-7s  %8d  %11d  %10d  %13d  %10d  %11d  %9d  %s", v.workloads, claims, r.kills, r.guardKills,
		r.duplicates, r.never, r.lost, r.wrong, r.leftover, r.took.Round(time.Millisecond))
}

// fault is what must not happen. When guardian and operator both are away nobody can read a code, so then it may be lost.
func (r result) fault(v variant) error {
	if r.duplicates+r.never+r.wrong+r.leftover > 0 || (r.lost > 0 && v.guardKills == 0) {
		return fmt.Errorf("seed %d: something was lost or done twice", v.seed)
	}
	if r.kills < v.kills || r.guardKills < v.guardKills {
		return fmt.Errorf("seed %d: the workloads ended before all kills were done", v.seed)
	}
	return nil
}

// run starts a guardian with an operator, kills until it has killed enough, waits for the end and counts.
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
	argv := []string{"mirrorguard", "run", "--state", filepath.Join(dir, "state"), "--settle", settle.String(), "--",
		self, "operator", "-dir", dir, "-guard", v.guard, "-n", strconv.Itoa(v.workloads), fmt.Sprintf("-helper=%v", v.helper)}
	began := time.Now()
	if _, err := syscall.ForkExec(v.guard, argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}}); err != nil {
		return res, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var killer sync.WaitGroup
	killer.Go(func() { v.kill(ctx, dir, self, &res) })
	reapAll()
	cancel()
	killer.Wait()
	res.took = time.Since(began)
	return res, v.count(dir, &res)
}

// reapAll waits until there are no children.
func reapAll() {
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		if errors.Is(err, unix.ECHILD) {
			return
		}
	}
}

// count compares what was done with what should have been.
func (v variant) count(dir string, res *result) error {
	data, err := os.ReadFile(filepath.Join(dir, "starts"))
	if err != nil {
		return err
	}
	starts := map[string]int{}
	for _, id := range strings.Fields(string(data)) {
		starts[id]++
	}
	for id := range v.workloads {
		switch n := starts[strconv.Itoa(id)]; {
		case n == 0:
			res.never++
		case n > 1:
			res.duplicates += n - 1
		}
		got, _ := os.ReadFile(filepath.Join(dir, "done", "w"+strconv.Itoa(id)))
		switch string(got) {
		case strconv.Itoa(code(id)):
		case "lost", "":
			res.lost++
		default:
			res.wrong++
		}
	}
	for _, d := range []string{"state/claims", "state/exits"} {
		entries, err := os.ReadDir(filepath.Join(dir, d))
		if err != nil {
			return err
		}
		res.leftover += len(entries)
	}
	return nil
}

// kill kills operators and guardians at seeded moments. A guardian is killed under a living operator, and the next kill waits
// for the new one: when both die at once nobody is left to go on.
func (v variant) kill(ctx context.Context, dir, self string, res *result) {
	rnd := rand.New(rand.NewSource(v.seed))
	var dead, away int // the operator and the guardian killed last: they may have no successor yet, or be dying still
	for res.kills < v.kills || res.guardKills < v.guardKills {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(1+rnd.Intn(25)) * time.Millisecond):
		}
		text, _ := os.ReadFile(filepath.Join(dir, "pids"))
		var operator, guardian int
		fmt.Sscan(string(text), &operator, &guardian)
		if operator == dead || guardian == away {
			continue
		}
		left := v.kills - res.kills + v.guardKills - res.guardKills
		if rnd.Intn(left) >= v.guardKills-res.guardKills {
			if killExactly(operator, unix.SIGKILL, self+"\x00operator", dir) {
				res.kills++
				dead = operator
			}
		} else if killExactly(operator, 0, self+"\x00operator", dir) && killExactly(guardian, unix.SIGKILL, "mirrorguard\x00", dir) {
			res.guardKills++
			away = guardian
		}
	}
}

// killExactly signals a process when it is what the file said, and not another with its number.
func killExactly(pid int, sig unix.Signal, name, dir string) bool {
	if pid <= 1 {
		return false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || !strings.HasPrefix(string(line), name) || !strings.Contains(string(line), dir) {
		return false
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0) == nil
}
