package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// isWorkload tells whether a process belongs to one of the instances: by its cgroup, which it cannot leave, and where there are none by
// its session and its parents, which it can. A workload must not raise its own rights or budget.
func (op *operator) isWorkload(pid int) (string, bool) {
	if dir := op.runner.Capabilities().CgroupV2; dir != "" {
		if id, ok := instanceOfCgroup(pid, filepath.Base(dir)); ok {
			return id, true
		}
	}
	ids := map[int]string{}
	for _, i := range op.runner.List() {
		if i.Exit == nil && i.PID != 0 {
			ids[i.PID] = i.ID
		}
	}
	for range 64 { // deeper than any honest tree
		if id, ok := ids[pid]; ok {
			return id, true
		}
		parent, session, err := lineage(pid)
		if err != nil {
			return "", false
		}
		if id, ok := ids[session]; ok {
			return id, true
		}
		if parent <= 1 {
			return "", false
		}
		pid = parent
	}
	return "", false
}

// instanceOfCgroup reads /proc/PID/cgroup: …/<parent>/<instance>.<attempt>[/…].
func instanceOfCgroup(pid int, parent string) (string, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", false
	}
	_, rest, ok := strings.Cut(string(b), "/"+parent+"/")
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(strings.SplitN(rest, "\n", 2)[0], "/")
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return name, name != ""
}

// lineage reads the parent and the session of a process.
func lineage(pid int) (parent, session int, err error) {
	f, err := statOf(pid)
	if err != nil {
		return 0, 0, err
	}
	if parent, err = strconv.Atoi(f[1]); err != nil {
		return 0, 0, err
	}
	session, err = strconv.Atoi(f[3])
	return parent, session, err
}

// statOf reads the fields of /proc/PID/stat from the state on, proc_pid_stat(5).
func statOf(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before it may hold anything
	if len(f) < 20 {
		return nil, fmt.Errorf("cannot read /proc/%d/stat", pid)
	}
	return f, nil
}
