package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner/group"
)

// identity is what tells one process from all others of a boot. Ino is 0 where there is no pidfs.
type identity struct {
	pid   int
	start uint64 // field 22 of /proc/PID/stat
	ino   uint64 // inode of its pidfd
}

// same compares by inode where both have one.
func (i identity) same(o identity) bool {
	if i.pid != o.pid {
		return false
	}
	if i.ino != 0 && o.ino != 0 {
		return i.ino == o.ino
	}
	return i.start == o.start
}

// claim is one run in an instance's claim file. The file is only ever added to: a header, written before the process exists, and
// lines about it; then the next run's. (New files cost ten times as much on a file system where many were removed just before.)
// Each piece begins with a newline and ends with " ." or "}", so one that a crash or a full disk tore does not count and does not
// spoil the next.
type claim struct {
	Boot    string            `json:"boot"`
	ID      string            `json:"id"`
	Attempt int               `json:"attempt"`
	Owner   string            `json:"owner"`
	Hash    string            `json:"hash"`
	Note    []byte            `json:"note,omitempty"`
	Cgroup  string            `json:"cgroup,omitempty"` // directory, "" when the child claims for itself
	Groups  map[string]string `json:"groups,omitempty"` // directories of cgroup v1, by controller
	Limits  group.Limits      `json:"limits,omitzero"`
	Clock   int64             `json:"clock"`           // boot clock, ns
	Awake   int64             `json:"awake,omitempty"` // awake clock, ns
	Started int64             `json:"started"`         // wall time, ns; the last field, by which the child finds its header

	unmet               group.Unmet // what of Limits is not in force, while this operator made it
	home                uint64      // inode of Cgroup, while this operator made it
	ident               identity
	announced, stopping moment
	exit                *Exit
	void                bool // it did not take place and never will
}

// name is the run's name, and its cgroup's.
func (c *claim) name() string { return runName(c.ID, c.Attempt) }

func runName(id string, attempt int) string { return id + "." + strconv.Itoa(attempt) }

func (c *claim) group() group.Group { return group.Group{V2: c.Cgroup, V1: c.Groups} }

// number is the kernel's of its cgroup; 0 where there is none.
func (c *claim) number() uint64 {
	var st syscall.Stat_t
	if c.home != 0 || c.Cgroup == "" || syscall.Stat(c.Cgroup, &st) != nil {
		return c.home
	}
	return uint64(st.Ino)
}

// header is the first piece.
func (c *claim) header() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return slices.Concat([]byte("\n"), b, []byte("\n"))
}

// pidLine names the process of the run that began at started. The child that writes it may be late, and the file by then be
// another's.
func pidLine(i identity, started int64) []byte {
	return fmt.Appendf(nil, "\npid %d %d %d %d .\n", i.pid, i.start, i.ino, started)
}

// moment is a time on the wall's clock, for people, and on the awake clock, for deadlines.
type moment struct {
	wall  time.Time
	awake time.Duration
}

// momentOf reads one; earlier versions wrote the wall time only.
func momentOf(n []int64) moment {
	m := moment{wall: time.Unix(0, n[0])}
	if len(n) > 1 {
		m.awake = time.Duration(n[1])
	}
	return m
}

func stopLine(m moment) []byte { return timeLine("stop", m) }

// announceLine tells that a stop has begun and its signal is to come.
func announceLine(m moment) []byte { return timeLine("announce", m) }

func timeLine(word string, m moment) []byte {
	return fmt.Appendf(nil, "\n%s %d %d .\n", word, m.wall.UnixNano(), m.awake)
}

// limitsLine tells that other limits are in force from now on.
func limitsLine(l group.Limits) []byte {
	return fmt.Appendf(nil, "\nlimits %d %d %d %d .\n", l.Memory, l.CPU, l.Pids, l.Share)
}

func voidLine() []byte { return []byte("\nvoid .\n") }

// exitLine keeps the reason in the kernel's words, as the guardian's records do.
func exitLine(e *Exit) []byte {
	code, status := 0, 0
	switch {
	case !e.Known:
	case e.Core:
		code, status = cldDumped, int(e.Signal)
	case e.Signal != 0:
		code, status = cldKilled, int(e.Signal)
	default:
		code, status = cldExited, e.Code
	}
	return fmt.Appendf(nil, "\nexit %d %d %d %d %d %d .\n", code, status, e.At.UnixNano(), e.Awake, e.PeakMemory, e.OOMKills)
}

// parseClaims reads a claim file: its runs, the first one first.
func parseClaims(data []byte) []*claim {
	var all []*claim
	for line := range bytes.Lines(data) {
		if c := (&claim{}); len(line) > 0 && line[0] == '{' {
			if json.Unmarshal(line, c) == nil && c.ID != "" && c.Attempt > 0 {
				all = append(all, c)
			}
			continue
		}
		if text, whole := strings.CutSuffix(string(line), " .\n"); whole && len(all) > 0 {
			all[len(all)-1].add(text)
		}
	}
	return all
}

// add takes in one whole line; one that it does not understand is ignored. The first of a sort counts, but for announcements: a stop
// that is announced may not come. No process can claim what is void.
func (c *claim) add(line string) {
	f := strings.Fields(line)
	n := make([]int64, 0, 4)
	for _, s := range f[min(1, len(f)):] {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return
		}
		n = append(n, v)
	}
	switch {
	case len(n) == 4 && f[0] == "pid" && n[3] == c.Started && c.ident.pid == 0 && !c.void:
		c.ident = identity{pid: int(n[0]), start: uint64(n[1]), ino: uint64(n[2])}
	case len(n) > 0 && f[0] == "announce":
		c.announced = momentOf(n)
	case len(n) > 0 && f[0] == "stop" && c.stopping.wall.IsZero():
		c.stopping = momentOf(n)
	case len(n) > 2 && f[0] == "exit" && c.exit == nil:
		c.exit = exitOf(int(n[0]), int(n[1]), momentOf(n[2:]))
		if len(n) > 5 {
			c.exit.PeakMemory, c.exit.OOMKills = n[4], n[5]
		}
	case len(n) > 3 && f[0] == "limits":
		c.Limits = group.Limits{Memory: n[0], CPU: n[1], Pids: n[2], Share: n[3]}
	case len(f) == 1 && f[0] == "void" && c.ident.pid == 0:
		c.void = true
	}
}

// The values of si_code for a child that ended.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

// exitOf makes an Exit from si_code and si_status.
func exitOf(code, status int, at moment) *Exit {
	e := &Exit{Known: true, At: at.wall, Awake: at.awake}
	switch code {
	case cldExited:
		e.Code = status
	case cldKilled, cldDumped:
		e.Signal, e.Core = syscall.Signal(status), code == cldDumped
	default:
		e.Known = false
	}
	return e
}

// record is what the guardian wrote about a process that it reaped.
type record struct {
	file   string
	ident  identity
	cgroup string // its cgroup v2 path
	exit   *Exit
}

// parseRecord reads an exit record: name PID-STARTTIME, text "exit CODE STATUS NANOSECONDS/AWAKE INODE CGROUP". A guardian that began
// before an upgrade leaves /AWAKE out.
func parseRecord(name string, data []byte) (record, bool) {
	text, whole := strings.CutSuffix(string(data), "\n")
	f := strings.SplitN(text, " ", 6)
	pid, start, ok := strings.Cut(name, "-")
	if !whole || !ok || len(f) != 6 || f[0] != "exit" {
		return record{}, false
	}
	wall, awake, found := strings.Cut(f[3], "/")
	if !found {
		awake = "0"
	}
	var n [6]int64
	for i, s := range []string{f[1], f[2], wall, awake, f[4], pid} {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return record{}, false
		}
		n[i] = v
	}
	st, err := strconv.ParseUint(start, 10, 64)
	return record{
		file:   name,
		ident:  identity{pid: int(n[5]), start: st, ino: uint64(n[4])},
		cgroup: strings.TrimSuffix(f[5], " (deleted)"),
		exit:   exitOf(int(n[0]), int(n[1]), momentOf(n[2:4])),
	}, err == nil
}
