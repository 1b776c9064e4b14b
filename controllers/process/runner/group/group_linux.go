package group

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Plan gives the directories of version 1 that a run of that name needs for its limits, by controller. Nothing is made. A run without a
// group of version 2 gets one in which its tree can be stopped whole.
func (h *Host) Plan(name string, l Limits) map[string]string {
	var v1 map[string]string
	add := func(c string) {
		if dir := h.v1[c]; dir != "" && !h.has[c] {
			if v1 == nil {
				v1 = map[string]string{}
			}
			v1[c] = filepath.Join(dir, name)
		}
	}
	for _, c := range l.limited() {
		add(c)
	}
	if h.v2 == "" {
		add(freezer)
	}
	return v1
}

// Make makes the directories of version 1 of a group, and gives the files by which a process joins: it writes 0 to each. What is left in
// them from a run that never began is removed.
func (g Group) Make() (joins []string, err error) {
	for _, c := range slices.Sorted(maps.Keys(g.V1)) {
		dir := g.V1[c]
		Remove(dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			g.Remove()
			return nil, fmt.Errorf("cannot make a cgroup for the limit of %s: %v", c, err)
		}
		joins = append(joins, dir+"/cgroup.procs")
	}
	return joins, nil
}

// Set brings the limits of a group in force, of a new one or of one in use, and tells what it could not. Limits that are not in Limits are
// lifted. A limit of memory below what is used now is not set: the kernel would kill at once.
func (h *Host) Set(g Group, l Limits) Unmet {
	out := Unmet{}
	for _, c := range []struct {
		name string
		n    int64
		v2   func(dir string, n int64) error
		v1   func(dir string, n int64) error
	}{{Memory, l.Memory, memoryV2, memoryV1}, {CPU, max(l.CPU, l.Share), l.cpuV2, l.cpuV1}, {Pids, l.Pids, pidsMax, pidsMax}} {
		var err error
		switch {
		case g.V2 != "" && present(g.V2, c.name):
			err = c.v2(g.V2, c.n)
		case g.V1[c.name] != "":
			err = c.v1(g.V1[c.name], c.n)
		case c.n == 0:
		case c.name == Memory && h.Rlimit(l) > 0:
			err = fmt.Errorf("only as RLIMIT_AS, which counts what each process has mapped and not what they use together; %s", h.why[Memory])
		case h.v1[c.name] != "" || h.has[c.name]:
			err = errors.New("the instance was started without a group for it; from the next start on")
		default:
			err = errors.New(h.why[c.name])
		}
		if err != nil {
			out[c.name] = reason(err)
		}
	}
	return out
}

// reason is an error of the kernel's as a person needs it.
func reason(err error) string {
	if errors.Is(err, unix.ENOENT) {
		return "its cgroup is not there any more: somebody removed it; from the next start on"
	}
	return err.Error()
}

// present tells whether a group of version 2 has a controller.
func present(dir, controller string) bool {
	return unix.Access(dir+"/"+controller+".max", unix.F_OK) == nil
}

// most writes a number as version 2 has it, and pids of version 1.
func most(n int64) string {
	if n == 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func pidsMax(dir string, n int64) error { return write(dir+"/pids.max", most(n)) }

const period = 100_000 // microseconds

func (l Limits) cpuV2(dir string, _ int64) error {
	quota := "max"
	if l.CPU > 0 {
		quota = strconv.FormatInt(l.CPU*period/1000, 10)
	}
	if err := write(dir+"/cpu.max", fmt.Sprintf("%s %d", quota, period)); err != nil {
		return err
	}
	return write(dir+"/cpu.weight", strconv.FormatInt(weight(l.shares()), 10))
}

func (l Limits) cpuV1(dir string, _ int64) error {
	if err := write(dir+"/cpu.shares", strconv.FormatInt(l.shares(), 10)); err != nil {
		return err
	}
	if l.CPU == 0 {
		return write(dir+"/cpu.cfs_quota_us", "-1")
	}
	if err := write(dir+"/cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return write(dir+"/cpu.cfs_quota_us", strconv.FormatInt(l.CPU*period/1000, 10))
}

// shares are version 1's: 1024 for a whole processor.
func (l Limits) shares() int64 {
	if l.Share == 0 {
		return 1024
	}
	return min(max(l.Share*1024/1000, 2), 262144)
}

// weight is version 2's for shares of version 1, as Kubernetes has it (KEP-2254), but for the default, which is 100 there.
func weight(shares int64) int64 {
	if shares == 1024 {
		return 100
	}
	return 1 + (shares-2)*9999/262142
}

// memoryV2 has no swap counted in, and all of a group killed together: what is left of a program that lost a part is seldom of use.
func memoryV2(dir string, n int64) error {
	if err := fits(dir+"/memory.current", n); err != nil {
		return err
	}
	if err := write(dir+"/memory.max", most(n)); err != nil {
		return err
	}
	whole, swap := "0", "max"
	if n > 0 {
		whole, swap = "1", "0"
	}
	if err := write(dir+"/memory.swap.max", swap); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if err := write(dir+"/memory.oom.group", whole); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// memoryV1 sets memory and memory with swap to the same. The second may never be less than the first, so the order depends.
func memoryV1(dir string, n int64) error {
	if err := fits(dir+"/memory.usage_in_bytes", n); err != nil {
		return err
	}
	files, value := []string{"/memory.limit_in_bytes", "/memory.memsw.limit_in_bytes"}, strconv.FormatInt(n, 10)
	now, _ := number(dir + files[0])
	if n == 0 {
		value = "-1"
	}
	if n == 0 || n > now {
		slices.Reverse(files)
	}
	for _, f := range files {
		err := write(dir+f, value)
		switch {
		case errors.Is(err, unix.ENOENT) && strings.Contains(f, "memsw"): // swap is not counted on this host
		case errors.Is(err, unix.EBUSY):
			return fmt.Errorf("cannot be lowered to %s, it uses more; from the next start on", size(n))
		case err != nil:
			return err
		}
	}
	return nil
}

// fits refuses a limit that is below what is used.
func fits(file string, n int64) error {
	if now, err := number(file); err == nil && n > 0 && now > n {
		return fmt.Errorf("cannot be lowered to %s, it uses %s; from the next start on", size(n), size(now))
	}
	return nil
}

func number(file string) (int64, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

// Usage reads what the group has used.
func (g Group) Usage() (u Usage) {
	if g.V2 != "" && present(g.V2, Memory) {
		u.Peak, _ = number(g.V2 + "/memory.peak")
		u.OOMKills = keyed(g.V2+"/memory.events", "oom_kill")
	}
	if dir := g.V1[Memory]; dir != "" {
		u.Peak, _ = number(dir + "/memory.max_usage_in_bytes")
		u.OOMKills += keyed(dir+"/memory.oom_control", "oom_kill")
	}
	return u
}

// keyed reads the number after a word at the beginning of a line.
func keyed(file, key string) int64 {
	data, _ := os.ReadFile(file)
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseInt(rest, 10, 64)
			return n
		}
	}
	return 0
}

// Remove removes the directories of version 1, as far as nobody is in them, and the ones that they are in when those are empty.
func (g Group) Remove() {
	for _, dir := range g.V1 {
		Remove(dir)
		unix.Rmdir(filepath.Dir(dir))
	}
}

// Remove removes a cgroup and those below it, as far as nobody is in them.
func Remove(dir string) {
	err := unix.Rmdir(dir)
	if err == nil || err == unix.ENOENT {
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			Remove(filepath.Join(dir, e.Name()))
		}
	}
	unix.Rmdir(dir)
}

// Members lists the processes in a cgroup and those below it.
func Members(dir string) []int {
	all := pids(dir + "/cgroup.procs")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, Members(filepath.Join(dir, e.Name()))...)
		}
	}
	return all
}

// Kill kills all processes of the group at once, also what they fork meanwhile, and tells whether that is certain. By cgroup.kill; without
// it they are frozen first, so that none forks while the others are killed; where they cannot be frozen, another round may be needed. What
// has left the one group is found in the others.
func (g Group) Kill() (certain bool) {
	if g.V2 != "" {
		certain = KillV2(g.V2)
	}
	for _, c := range []string{freezer, Pids, Memory, CPU} {
		if dir := g.V1[c]; dir != "" {
			certain = killFrozen(dir, dir+"/freezer.state", "FROZEN", "THAWED") || certain
		}
	}
	return certain
}

// KillV2 does so for one directory of version 2.
func KillV2(dir string) (certain bool) {
	return write(dir+"/cgroup.kill", "1") == nil || killFrozen(dir, dir+"/cgroup.freeze", "1", "0")
}

// Left counts the processes of the group that live, in the one or the other hierarchy.
func (g Group) Left() (n int) {
	if g.V2 != "" {
		n = len(Members(g.V2))
	}
	for _, dir := range g.V1 {
		n = max(n, len(Members(dir)))
	}
	return n
}

// freezing is how long the kernel gets to stop everything; it takes a millisecond, unless something is in an uninterruptible sleep.
const freezing = 20 * time.Millisecond

// killFrozen freezes by a file where there is one, kills all, and thaws: only what is thawed dies.
func killFrozen(dir, file, freeze, thaw string) (certain bool) {
	if write(file, freeze) == nil {
		defer write(file, thaw)
		for end := time.Now().Add(freezing); !certain && time.Now().Before(end); {
			if certain = frozen(dir, file); !certain {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	for _, pid := range Members(dir) {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if isIn(pid, dir) { // and no other has its number by now
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		unix.Close(fd)
	}
	return certain
}

// isIn tells whether a process is in a group or below, by the two last names of the directory, which no other of the host has.
func isIn(pid int, dir string) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	return err == nil && strings.Contains(string(data), "/"+filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir))
}

func frozen(dir, file string) bool {
	if strings.HasSuffix(file, "freezer.state") {
		data, _ := os.ReadFile(file)
		return strings.TrimSpace(string(data)) == "FROZEN"
	}
	return keyed(dir+"/cgroup.events", "frozen") == 1
}
