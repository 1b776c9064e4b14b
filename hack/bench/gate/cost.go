package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// cost is what a process used: processor time in microseconds, and how often its threads waited. Unlike time on the clock it is about the same
// on a busy machine.
type cost struct{ cpu, switches float64 }

// tick is the unit of /proc/PID/stat.
const tick = 10_000

func costOf(pid int) (c cost) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(text, ')'); i >= 0 {
		if f := bytes.Fields(text[i+1:]); len(f) > 12 {
			user, _ := strconv.ParseFloat(string(f[11]), 64)
			system, _ := strconv.ParseFloat(string(f[12]), 64)
			c.cpu = (user + system) * tick
		}
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, name := range threads {
		text, _ := os.ReadFile(name)
		if _, after, ok := bytes.Cut(text, []byte("\nvoluntary_ctxt_switches:")); ok {
			n, _ := strconv.ParseFloat(string(bytes.Fields(after)[0]), 64)
			c.switches += n
		}
	}
	return c
}

// since another cost, for each of n requests.
func (c cost) since(before cost, n int) cost {
	return cost{(c.cpu - before.cpu) / float64(max(n, 1)), (c.switches - before.switches) / float64(max(n, 1))}
}

func (c cost) String() string { return fmt.Sprintf("%.0f, %.1f", c.cpu, c.switches) }

// least of each figure: what disturbs only adds.
func least(cs []cost) cost {
	return slices.MinFunc(cs, func(a, b cost) int { return int(1000 * (a.cpu - b.cpu)) })
}
