package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mirroros.dev/mirroros/controllers/process/logs"
)

// result is what came out.
type result struct {
	kills, guardKills, both                 int // that landed
	duplicates, never, changed, orphans     int
	lines, linesLost, lost, wrong, leftover int
	took                                    time.Duration
}

const header = "one-shot  services  claims  kills: operator  guardian  both | doubled  never ran  changed  orphans  lines: written   lost  codes: lost  wrong  left over  took"

func (v variant) row(r result) string {
	claims := "cgroup"
	if v.helper {
		claims = "helper"
	}
	return fmt.Sprintf("%8d  %8d  %-6s  %15d  %8d  %4d | %7d  %9d  %7d  %7d  %14d  %5d  %11d  %5d  %9d  %s", v.workloads, v.services, claims,
		r.kills, r.guardKills, r.both, r.duplicates, r.never, r.changed, r.orphans, r.lines, r.linesLost, r.lost, r.wrong, r.leftover,
		r.took.Round(time.Millisecond))
}

// fault is what must not happen. Only when guardian and operator are killed at once nobody can read the codes of those that end
// until there is an operator again: then they may be lost.
func (r result) fault(v variant) error {
	if r.duplicates+r.never+r.changed+r.orphans+r.linesLost+r.wrong+r.leftover > 0 || r.lost > atOnce*r.both {
		return fmt.Errorf("seed %d: something was lost or done twice", v.seed)
	}
	if r.kills < v.kills || r.guardKills < v.guardKills || r.both < v.both {
		return fmt.Errorf("seed %d: the workloads ended before all kills were done", v.seed)
	}
	return nil
}

// count compares what was done with what should have been.
func (v variant) count(dir string, res *result) error {
	starts, err := words(dir, "starts")
	if err != nil {
		return err
	}
	for id := range v.workloads {
		v.ran(dir, strconv.Itoa(id), "w"+strconv.Itoa(id), strconv.Itoa(code(id)), starts, res)
	}
	for id := range v.services {
		name := service(id)
		v.ran(dir, name, name, "0", starts, res)
	}
	if err := v.countPIDs(dir, res); err != nil {
		return err
	}
	if err := v.countLines(dir, res); err != nil {
		return err
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

// words counts the lines of a file.
func words(dir, name string) (map[string]int, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	n := map[string]int{}
	for line := range strings.Lines(string(data)) {
		n[strings.TrimSuffix(line, "\n")]++
	}
	return n, err
}

// ran looks how often a workload ran and what it is said to have ended with.
func (v variant) ran(dir, key, name, want string, starts map[string]int, res *result) {
	switch n := starts[key]; {
	case n == 0:
		res.never++
	case n > 1:
		res.duplicates += n - 1
	}
	got, _ := os.ReadFile(filepath.Join(dir, "done", name))
	switch string(got) {
	case want:
	case "lost", "":
		res.lost++
	default:
		res.wrong++
	}
}

// countPIDs looks whether all operators saw the same process of each service.
func (v variant) countPIDs(dir string, res *result) error {
	if v.services == 0 {
		return nil
	}
	seen, err := words(dir, "seen")
	res.changed += max(0, len(seen)-v.services)
	return err
}

// countLines looks whether each line that was written is there once: of the one-shot workloads in the file that all append to,
// of the services through their logs' keeper.
func (v variant) countLines(dir string, res *result) error {
	got, err := words(dir, "log")
	if err != nil {
		return err
	}
	for id := range v.workloads {
		for n := range lines(id) {
			res.line(got[fmt.Sprintf("%d %d", id, n)])
		}
	}
	keeper, err := logs.Open(filepath.Join(dir, "state", "logs"), logs.Options{})
	if err != nil {
		return err
	}
	defer keeper.Close()
	for id := range v.services {
		next, last := 0, ""
		err := keeper.Read(context.Background(), service(id), logs.ReadOptions{}, func(b []byte) error {
			last = strings.TrimSuffix(string(b), "\n")
			if last == strconv.Itoa(next) {
				next++
				res.line(1)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if last != "end "+strconv.Itoa(next) {
			res.line(0)
		}
	}
	return nil
}

// line counts a line that was written and is there n times.
func (r *result) line(n int) {
	r.lines++
	if n != 1 {
		r.linesLost++
	}
}
