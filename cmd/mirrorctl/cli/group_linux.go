package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"mirroros.dev/mirroros/specs"
)

// groupDirs are the cgroups that an instance has to itself, by controller; "" is the one of version 2, whose controllers are files in it.
type groupDirs map[string]string

// cgroupMounts are where the hierarchies are mounted and what of each is seen there, by controller; "" is version 2.
type cgroupMounts map[string]struct{ root, point string }

func readCgroupMounts() cgroupMounts {
	out := cgroupMounts{}
	data, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.SplitSeq(string(data), "\n") {
		left, right, _ := strings.Cut(line, " - ")
		f, of := strings.Fields(left), strings.Fields(right)
		if len(f) < 5 || len(of) < 3 {
			continue
		}
		at := struct{ root, point string }{f[3], strings.ReplaceAll(f[4], `\040`, " ")}
		switch of[0] {
		case "cgroup2":
			out[""] = at
		case "cgroup":
			for _, c := range strings.Split(of[2], ",") {
				out[c] = at
			}
		}
	}
	return out
}

// of finds the groups that are named after an instance, by those of its main process.
func (m cgroupMounts) of(i *specs.Instance) groupDirs {
	data, _ := os.ReadFile("/proc/" + strconv.Itoa(int(i.Status.PID)) + "/cgroup")
	out := groupDirs{}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		own := ownPart(f[2], i.Name)
		if own == "" {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			at, ok := m[c]
			below, under := strings.CutPrefix(own, strings.TrimSuffix(at.root, "/"))
			if ok && under {
				out[c] = filepath.Join(at.point, below)
			}
		}
	}
	return out
}

// ownPart is a cgroup's path up to the element that is a run of an instance, NAME.ATTEMPT; empty without one.
func ownPart(path, name string) string {
	elements := strings.Split(path, "/")
	for n, e := range elements {
		attempt, ok := strings.CutPrefix(e, name+".")
		if _, err := strconv.Atoi(attempt); ok && err == nil {
			return strings.Join(elements[:n+1], "/")
		}
	}
	return ""
}

// groupReading is what the kernel counts of a group at one moment. Memory and bytes are -1 where it does not.
type groupReading struct {
	usec, periods, throttled int64
	memory, peak             int64
	read, written            int64
	members                  []int
}

// read reads all, or without memory only what is told by its growth.
func (g groupDirs) read(all bool) groupReading {
	out := groupReading{memory: -1, peak: -1, read: -1, written: -1}
	v2 := g[""]
	stat := keyValues(v2 + "/cpu.stat")
	out.usec, out.periods, out.throttled = stat["usage_usec"], stat["nr_periods"], stat["nr_throttled"]
	if dir := g["cpu"]; dir != "" {
		stat = keyValues(dir + "/cpu.stat")
		out.periods, out.throttled = stat["nr_periods"], stat["nr_throttled"]
	}
	memory := func(now, peak, stat, inactive string) {
		n, err := readNumber(now)
		if err != nil {
			return
		}
		out.memory = max(0, n-keyValues(stat)[inactive]) // what is cached and not in use can be had back at any time
		if p, err := readNumber(peak); err == nil {
			out.peak = p
		}
	}
	switch dir := g["memory"]; {
	case !all:
	case dir != "":
		memory(dir+"/memory.usage_in_bytes", dir+"/memory.max_usage_in_bytes", dir+"/memory.stat", "total_inactive_file")
	default:
		memory(v2+"/memory.current", v2+"/memory.peak", v2+"/memory.stat", "inactive_file")
	}
	if data, err := os.ReadFile(v2 + "/io.stat"); err == nil {
		out.read, out.written = ioBytes(string(data))
	}
	out.members = groupMembers(v2)
	return out
}

// groupMembers lists the processes in a cgroup and those below it.
func groupMembers(dir string) (pids []int) {
	data, _ := os.ReadFile(dir + "/cgroup.procs")
	for f := range strings.FieldsSeq(string(data)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	var st unix.Stat_t
	const leaf = 2 // links of a directory without others in it
	if unix.Stat(dir, &st) == nil && st.Nlink > leaf {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				pids = append(pids, groupMembers(filepath.Join(dir, e.Name()))...)
			}
		}
	}
	return pids
}

// ioBytes adds up the devices of io.stat: "8:0 rbytes=1 wbytes=2 …".
func ioBytes(text string) (read, written int64) {
	for f := range strings.FieldsSeq(text) {
		if v, ok := strings.CutPrefix(f, "rbytes="); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			read += n
		}
		if v, ok := strings.CutPrefix(f, "wbytes="); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			written += n
		}
	}
	return read, written
}

// keyValues reads lines of a word and a number.
func keyValues(path string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.SplitSeq(readText(path), "\n") {
		if key, value, ok := strings.Cut(line, " "); ok {
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				out[key] = n
			}
		}
	}
	return out
}

func readNumber(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

func readText(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// complete tells whether the groups tell which processes there are; without it /proc must.
func (g groupDirs) complete() bool { return g[""] != "" }

// anyMissing tells whether /proc must be gone through for some.
func anyMissing(all []groupDirs) bool {
	return slices.ContainsFunc(all, func(g groupDirs) bool { return !g.complete() })
}
