package cli

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"mirroros.dev/mirroros/specs"
)

// clockTicks a second, as /proc counts processor time on every Linux that Go runs on.
const clockTicks = 100

// meter reads what instances use: from their cgroups in one pass over these, and of those without one from /proc, where all processes of
// their sessions count and all that descend from them.
type meter struct {
	list   []specs.Instance
	groups []groupDirs
}

// reading is what there was at one moment.
type reading struct {
	groups []groupReading
	stats  map[int]procStat   // all processes; nil when every instance has a group
	io     []map[int][2]int64 // bytes read and written, by instance and process, where no group counts them
}

func newMeter(list []specs.Instance) *meter {
	m := &meter{list: list, groups: make([]groupDirs, len(list))}
	mounts := readCgroupMounts()
	each(len(list), func(i int) { m.groups[i] = mounts.of(&list[i]) })
	return m
}

// read goes over all instances once, the last time for all that there is.
func (m *meter) read(all bool) (r reading, err error) {
	if anyMissing(m.groups) {
		if r.stats, err = readStats(); err != nil {
			return r, err
		}
	}
	r.groups = make([]groupReading, len(m.list))
	each(len(m.list), func(i int) {
		if g := m.groups[i]; g.complete() {
			r.groups[i] = g.read(all)
		}
	})
	members := m.members(&r)
	r.io = make([]map[int][2]int64, len(m.list))
	each(len(m.list), func(i int) {
		if r.groups[i].read >= 0 && m.groups[i].complete() {
			return
		}
		r.io[i] = map[int][2]int64{}
		for _, pid := range members[i] {
			if n, ok := readIO(pid); ok {
				r.io[i][pid] = n
			}
		}
	})
	return r, nil
}

// each calls fn for every number below n, on all processors.
func each(n int, fn func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	all.Wait()
}

// members are the processes of each instance.
func (m *meter) members(r *reading) [][]int {
	out := make([][]int, len(m.list))
	for pid, i := range ownersOf(r.stats, m.list) {
		if !m.groups[i].complete() {
			out[i] = append(out[i], pid)
		}
	}
	for i, g := range m.groups {
		if g.complete() {
			out[i] = r.groups[i].members
		}
	}
	return out
}

// between is what the instances used from one reading to the next.
func (m *meter) between(before, after reading, seconds float64) []usage {
	members := m.members(&after)
	all := make([]usage, len(m.list))
	few := 0
	for _, pids := range members {
		few += len(pids)
	}
	each(len(m.list), func(i int) {
		u := &all[i]
		*u = usage{Name: m.list[i].Name, Instances: 1, PID: int(m.list[i].Status.PID), noGroup: !m.groups[i].complete()}
		g, b := &after.groups[i], &before.groups[i]
		counted := m.groups[i].complete() && g.memory >= 0
		for _, pid := range members[i] {
			m.addProcess(u, i, pid, &before, &after, seconds, counted, few <= mostPSS)
		}
		if counted {
			u.Memory, u.Peak = g.memory, max(g.peak, 0)
		}
		u.noPeak = !counted
		if u.noGroup {
			return
		}
		u.CPU = float64(g.usec-b.usec) / 1e4 / seconds
		if n := g.periods - b.periods; n > 0 {
			u.Throttled = float64(g.throttled-b.throttled) / float64(n) * 100
		}
		if g.read >= 0 && b.read >= 0 {
			u.Read, u.Written = float64(g.read-b.read)/seconds, float64(g.written-b.written)/seconds
		}
	})
	return all
}

// mostPSS is up to how many processes the shares of memory are added up: the kernel walks all pages of each for it.
const mostPSS = 200

// addProcess adds what only /proc tells of a process.
func (m *meter) addProcess(u *usage, i, pid int, before, after *reading, seconds float64, counted, shares bool) {
	s, ok := after.stats[pid]
	if !ok {
		var err error
		if s, err = readStat(pid); err != nil {
			return
		}
	}
	u.Processes, u.Threads = u.Processes+1, u.Threads+s.threads
	if !counted {
		pss, ok := int64(0), false
		if shares {
			pss, ok = readPSS(pid)
		}
		if u.Memory += pss; !ok {
			u.Memory, u.resident = u.Memory+s.rss, u.resident || s.rss > 0
		}
	}
	if u.noGroup {
		used := s.ticks
		if b, ok := before.stats[pid]; ok && b.ticks <= s.ticks {
			used -= b.ticks
		}
		u.CPU += float64(used) / clockTicks / seconds * 100
	}
	if now, ok := after.io[i][pid]; ok {
		was := before.io[i][pid]
		u.Read, u.Written = u.Read+float64(now[0]-was[0])/seconds, u.Written+float64(now[1]-was[1])/seconds
	}
}

// measure tells what each instance uses over a period.
func measure(ctx context.Context, list []specs.Instance, period time.Duration) ([]usage, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := newMeter(list)
	before, err := m.read(false)
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
	after, err := m.read(true)
	if err != nil {
		return nil, err
	}
	all := m.between(before, after, time.Since(start).Seconds())
	for i := range all {
		if all[i].Processes > 0 {
			return all, nil
		}
	}
	return nil, fmt.Errorf("cannot see pid %d of %s in /proc: run top on the operator's host, as its user or root", all[0].PID, all[0].Name)
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
