package cli

import (
	"context"
	"fmt"
	"time"

	"mirroros.dev/mirroros/specs"
)

// clockTicks a second, as /proc counts processor time on every Linux that Go runs on.
const clockTicks = 100

// measure tells what each instance uses over a period, with all processes of its session and all that descend from it.
func measure(ctx context.Context, list []specs.Instance, period time.Duration) ([]usage, error) {
	if len(list) == 0 {
		return nil, nil
	}
	before, err := readStats()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	tick := time.NewTicker(period)
	defer tick.Stop()
	select {
	case <-ctx.Done():
		return nil, &exitError{exitFalse, "interrupted"}
	case <-tick.C:
	}
	after, err := readStats()
	if err != nil {
		return nil, err
	}
	seconds := time.Since(start).Seconds()
	owners := ownersOf(after, list)
	all := make([]usage, len(list))
	for i := range list {
		all[i] = usage{Name: list[i].Name, Instances: 1, PID: int(list[i].Status.PID)}
	}
	for pid, i := range owners {
		s, u := after[pid], &all[i]
		used := s.ticks
		if b, ok := before[pid]; ok && b.ticks <= s.ticks {
			used -= b.ticks
		}
		pss, ok := readPSS(pid)
		u.noPSS = u.noPSS || !ok && s.rss > 0
		u.CPU += float64(used) / clockTicks / seconds * 100
		u.PSS, u.RSS, u.Processes, u.Threads = u.PSS+pss, u.RSS+s.rss, u.Processes+1, u.Threads+s.threads
	}
	if len(owners) == 0 {
		return nil, fmt.Errorf("cannot see pid %d of %s in /proc: run top on the operator's host, as its user or root", all[0].PID, all[0].Name)
	}
	return all, nil
}

// ownersOf finds for each process the instance, by its place in list, whose session it is in or whose main process it descends from.
func ownersOf(stats map[int]procStat, list []specs.Instance) map[int]int {
	main := map[int]int{}
	for i := range list {
		main[int(list[i].Status.PID)] = i
	}
	owners := map[int]int{}
	for pid, s := range stats {
		if s.state == 'Z' {
			continue
		}
		if i, ok := main[s.session]; ok {
			owners[pid] = i
			continue
		}
		for at, depth := pid, 0; at > 1 && depth < 100; at, depth = stats[at].parent, depth+1 {
			i, ok := main[at]
			if !ok {
				i, ok = main[stats[at].session]
			}
			if ok {
				owners[pid] = i
				break
			}
		}
	}
	return owners
}
