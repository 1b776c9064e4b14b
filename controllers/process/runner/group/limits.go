// Package group makes the cgroups that limit the runs of instances, of version 2 where the host has its controllers there and of
// version 1 where it has them there; both may be on one host at once. It writes limits before anybody is in a group and later while
// it is used, and reads what its processes have used. Linux only; elsewhere there are none.
//
// Sources: Linux' Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{memory,pids,freezer-subsystem}.rst.
package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of one run, of all its processes together; 0 is none.
type Limits struct {
	// Memory in bytes, without swap. The kernel counts whole pages.
	Memory int64 `json:"m,omitempty"`
	// CPU in thousandths of a processor, for each tenth of a second; at least 10.
	CPU int64 `json:"c,omitempty"`
	// Pids is how many processes and threads there may be.
	Pids int64 `json:"p,omitempty"`
	// Share of the processors in thousandths of one, while there are not enough for all: a weight beside other groups. 0 is that of a
	// whole one.
	Share int64 `json:"s,omitempty"`
}

// Group is where the processes of one run are.
type Group struct {
	// V2 is its cgroup v2 directory; empty when it has none of its own.
	V2 string
	// V1 are its directories in hierarchies of version 1, by controller.
	V1 map[string]string
}

// The controllers that limit.
const (
	Memory = "memory"
	CPU    = "cpu"
	Pids   = "pids"
)

// freezer is the controller of version 1 that stops a tree, so that it can be killed whole.
const freezer = "freezer"

// limited lists the controllers that limits need, in a fixed order.
func (l Limits) limited() (names []string) {
	for _, c := range []struct {
		name string
		n    int64
	}{{Memory, l.Memory}, {CPU, max(l.CPU, l.Share)}, {Pids, l.Pids}} {
		if c.n > 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// Unmet is what of the limits of a run is not in force, by controller, and why.
type Unmet map[string]string

// String is all of it, for people; empty when there is nothing.
func (u Unmet) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(u)) {
		parts = append(parts, name+": "+u[name])
	}
	return strings.Join(parts, "; ")
}

// Usage is what the processes of a group have used since it was made.
type Usage struct {
	// Peak memory in bytes; 0 when nobody counted.
	Peak int64
	// OOMKills is how many of its processes the kernel killed because the group was at its limit.
	OOMKills int64
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1fGi", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprintf("%dKi", n>>10)
}
