package group

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what this host gives for limits. It is found out once, by doing, and does not change.
type Host struct {
	v2  string            // directory in which groups of version 2 are made; "" when there are none
	has map[string]bool   // controllers of groups in v2
	v1  map[string]string // directory in which groups of version 1 are made, by controller; made when the first one is
	why map[string]string // why a controller is not there, by controller
}

// Probe finds out what limits can be made in v2, a directory of this operator's cgroups ("" for none), and in directories of that name
// beside this process in the hierarchies of version 1, unless v1 is "".
func Probe(v2, v1 string) *Host {
	h := &Host{v2: v2, has: map[string]bool{}, v1: map[string]string{}, why: map[string]string{}}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	own, _ := os.ReadFile("/proc/self/cgroup")
	for _, c := range []string{Memory, CPU, Pids, freezer} {
		if v2 != "" && c != freezer {
			err := enable(v2, c)
			if h.has[c] = err == nil; h.has[c] {
				continue
			}
			h.why[c] = err.Error()
		}
		if v1 == "" {
			if h.why[c] == "" {
				h.why[c] = "no cgroups are used"
			}
			continue
		}
		dir, err := find(string(mounts), string(own), c)
		if err == nil {
			dir = filepath.Join(dir, v1)
			err = try(dir)
		}
		switch {
		case err == nil:
			h.v1[c] = dir
			delete(h.why, c)
		case h.why[c] != "":
			h.why[c] += ", and " + err.Error()
		default:
			h.why[c] = err.Error()
		}
	}
	return h
}

// Means tells how each of memory, cpu and pids is limited here, or why it is not.
func (h *Host) Means() map[string]string {
	out := map[string]string{}
	for _, c := range []string{Memory, CPU, Pids} {
		switch {
		case h.has[c]:
			out[c] = "cgroup v2"
		case h.v1[c] != "":
			out[c] = "cgroup v1"
		case c == Memory:
			out[c] = "RLIMIT_AS only: " + h.why[c]
		default:
			out[c] = "not at all: " + h.why[c]
		}
	}
	return out
}

// Rlimit is the RLIMIT_AS that each process of a run gets, because no group here can limit memory; 0 for none.
func (h *Host) Rlimit(l Limits) int64 {
	if h.has[Memory] || h.v1[Memory] != "" {
		return 0
	}
	return l.Memory
}

// Sweep removes the groups of version 1 that belong to none of the runs of these names, as far as nobody is in them.
func (h *Host) Sweep(known map[string]bool) {
	for _, dir := range h.v1 {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() && !known[e.Name()] {
				Remove(filepath.Join(dir, e.Name()))
			}
		}
		unix.Rmdir(dir)
	}
}

// try makes a directory of version 1 and a group in it, and removes both.
func try(dir string) error {
	made := os.Mkdir(dir, 0o755) == nil
	probe := filepath.Join(dir, "probe")
	err := os.Mkdir(probe, 0o755)
	if err != nil && !os.IsExist(err) {
		if made {
			unix.Rmdir(dir)
		}
		return fmt.Errorf("cannot make a cgroup: %v", err)
	}
	unix.Rmdir(probe)
	unix.Rmdir(dir)
	return nil
}

// find gives this process' directory in the hierarchy of version 1 that has a controller.
func find(mounts, own, controller string) (string, error) {
	path := ""
	for line := range strings.SplitSeq(own, "\n") {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			path = f[2]
		}
	}
	if path == "" {
		return "", errors.New("the kernel has no " + controller + " controller of cgroup v1 in use")
	}
	for line := range strings.SplitSeq(mounts, "\n") {
		left, right, _ := strings.Cut(line, " - ")
		f, of := strings.Fields(left), strings.Fields(right)
		if len(f) < 5 || len(of) < 3 || of[0] != "cgroup" || !slices.Contains(strings.Split(of[2], ","), controller) {
			continue
		}
		if root := f[3]; root != "/" {
			below, ok := strings.CutPrefix(path, root)
			if !ok {
				continue
			}
			return filepath.Join(Unescape(f[4]), below), nil
		}
		return filepath.Join(Unescape(f[4]), path), nil
	}
	return "", errors.New("the " + controller + " controller of cgroup v1 is not mounted where this process can see its own group")
}

// Unescape undoes the octal escapes of mountinfo.
func Unescape(s string) string {
	for i := 0; i+3 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
			s = s[:i] + string([]byte{byte(n)}) + s[i+4:]
		}
	}
	return s
}

// Leaf is the cgroup v2 below its own that an operator moves to, so that the groups beside that may have controllers: the kernel gives
// them to no group below one that has processes itself.
const Leaf = "mirroros-operator"

// enable gives the groups in dir a controller, from the parent of dir on.
func enable(dir, controller string) error {
	parent := filepath.Dir(dir)
	if !lists(parent+"/cgroup.controllers", controller) {
		return fmt.Errorf("the cgroup %q is not given the controller %s (in a systemd unit: Delegate=yes)", parent, controller)
	}
	if err := allow(parent, controller); err != nil {
		return err
	}
	return allow(dir, controller)
}

// allow writes a controller to the subtree control of a directory. When its only processes are this operator's own they make room.
func allow(dir, controller string) error {
	file := dir + "/cgroup.subtree_control"
	if lists(file, controller) {
		return nil
	}
	err := write(file, "+"+controller)
	if errors.Is(err, unix.EBUSY) && makeRoom(dir) {
		err = write(file, "+"+controller)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("the operator shares the cgroup %q with other processes; start it by a unit with Delegate=yes", dir)
	case err != nil:
		return fmt.Errorf("cannot give the controller %s to cgroups in %q: %v", controller, dir, err)
	}
	return nil
}

// makeRoom moves this process, and the guardian above it, into a group of their own, when nobody else is in dir.
func makeRoom(dir string) bool {
	ours := []int{os.Getpid()}
	if ppid := os.Getppid(); os.Getenv("MIRROROS_GUARD") == strconv.Itoa(ppid) {
		ours = append(ours, ppid)
	}
	for _, pid := range pids(dir + "/cgroup.procs") {
		if !slices.Contains(ours, pid) {
			return false
		}
	}
	leaf := filepath.Join(dir, Leaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !os.IsExist(err) {
		return false
	}
	for _, pid := range ours {
		if write(leaf+"/cgroup.procs", strconv.Itoa(pid)) != nil {
			return false
		}
	}
	return true
}

// lists tells whether a file of words has one.
func lists(file, word string) bool {
	data, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Fields(string(data)), word)
}

// write writes to a file of the kernel's in one go; the error is the kernel's alone.
func write(file, text string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		if _, err = unix.Write(fd, []byte(text)); err != unix.EINTR {
			return err
		}
	}
}

// pids reads a list of processes.
func pids(file string) (list []int) {
	data, _ := os.ReadFile(file)
	for _, f := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
			list = append(list, pid)
		}
	}
	return list
}
