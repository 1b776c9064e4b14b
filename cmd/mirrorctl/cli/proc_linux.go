package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// procStat is what /proc/PID/stat tells of one process.
type procStat struct {
	pid, parent, session int
	state                byte
	ticks                uint64 // of processor time, of all its threads
	threads              int
	rss                  int64 // in bytes
}

func readStat(pid int) (procStat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(pid, b)
}

// parseStat reads the line. The program's name is in brackets and may hold anything, so fields are counted from the last bracket on.
func parseStat(pid int, b []byte) (procStat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return procStat{}, errors.New("no name in it")
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 22 {
		return procStat{}, errors.New("too short")
	}
	n := func(i int) int64 { v, _ := strconv.ParseInt(f[i], 10, 64); return v }
	return procStat{pid: pid, state: f[0][0], parent: int(n(1)), session: int(n(3)), ticks: uint64(n(11) + n(12)),
		threads: int(n(17)), rss: n(21) * int64(os.Getpagesize())}, nil
}

// alive tells whether a process is there.
func alive(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.state != 'Z' && s.state != 'X'
}

// leads tells whether pid is alive and leads its own session, as the main process of an instance does. A pid that went to another
// process since seldom does.
func leads(pid int) bool {
	s, err := readStat(pid)
	return err == nil && s.session == pid && s.state != 'Z' && s.state != 'X'
}

// readStats reads all processes that can be seen.
func readStats() (map[int]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot read /proc: %v", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot read /proc: %v", err)
	}
	all := map[int]procStat{}
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			if s, err := readStat(pid); err == nil {
				all[pid] = s
			}
		}
	}
	return all, nil
}

// readIO is how many bytes a process has read from and written to disks; false where the kernel does not tell us.
func readIO(pid int) (n [2]int64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return n, false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		v, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "read_bytes":
			n[0] = v
		case "write_bytes":
			n[1] = v
		}
	}
	return n, true
}

// readPSS is the proportional share of memory of one process in bytes; false where the kernel does not tell us.
func readPSS(pid int) (int64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
