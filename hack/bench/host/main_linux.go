// Command host measures the real operator over many processes: cold start, an edit, a crash, memory and rest, each beside its floor.
//
//	host -bin bin -tick bin/tick -n 500
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one operator under measurement.
type bench struct {
	bin, tick string
	n         int
	dir       string
	cmd       *exec.Cmd
	seen      int
}

func main() {
	b := &bench{}
	rest := flag.Duration("rest", 20*time.Second, "how long to watch it do nothing")
	rounds := flag.Int("rounds", 20, "edits and crashes to time")
	flag.StringVar(&b.bin, "bin", "bin", "directory of the programs")
	flag.StringVar(&b.tick, "tick", "bin/tick", "the program to run")
	flag.IntVar(&b.n, "n", 500, "processes")
	flag.Parse()
	if err := b.run(*rounds, *rest); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(rounds int, rest time.Duration) (err error) {
	for _, p := range []*string{&b.bin, &b.tick} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp("", "mob"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	floor, err := b.floor()
	if err != nil {
		return fmt.Errorf("cannot measure the floor: %w", err)
	}
	base, err := b.empty()
	if err != nil {
		return err
	}
	if err := b.manifests(); err != nil {
		return err
	}
	cold, err := b.cold()
	defer b.end()
	if err != nil {
		return err
	}
	b.row("what", "floor", "ours", "note")
	b.row("----", "-----", "----", "----")
	b.row(fmt.Sprintf("cold start of %d", b.n), ms(floor), ms(cold), fmt.Sprintf("%.1f x", float64(cold)/float64(floor)))
	if err := b.settle(); err != nil {
		return err
	}
	full := b.memory()
	b.row("memory, operator and guardian", "-", fmt.Sprintf("%.1f MiB", base/1024), "without processes")
	b.row("memory a held process", "-", fmt.Sprintf("%.1f KiB", (full-base)/float64(b.n)), fmt.Sprintf("%.1f MiB with %d", full/1024, b.n))
	list, top, err := b.top()
	if err != nil {
		return err
	}
	b.row("top over all of them", ms(list), ms(top), "without the half second that it measures; the floor is a list of them")
	ticks, switches := b.rest(rest)
	b.row("rest, "+rest.String(), "0", fmt.Sprintf("%d ticks", ticks), fmt.Sprintf("%d context switches", switches))
	edits, touched, err := b.edits(rounds)
	if err != nil {
		return err
	}
	spawn, crash, err := b.floors()
	if err != nil {
		return fmt.Errorf("cannot measure the floor: %w", err)
	}
	b.row("save to new process, p50", ms(spawn), ms(median(edits)), fmt.Sprintf("max %s, %d others touched", ms(slices.Max(edits)), touched))
	crashes, err := b.crashes(rounds)
	if err != nil {
		return err
	}
	b.row("crash to new process, p50", ms(crash), ms(median(crashes)), "max "+ms(slices.Max(crashes)))
	return nil
}

func (b *bench) row(cells ...string) {
	fmt.Printf("| %-32s | %12s | %12s | %s\n", cells[0], cells[1], cells[2], cells[3])
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

// monotonic is the clock that tick writes.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return time.Duration(t.Nano())
}

// record is what tick wrote.
type record struct {
	at   time.Duration
	pid  int
	name string
}

func (b *bench) starts() string { return filepath.Join(b.dir, "starts") }

func (b *bench) records() []record {
	data, _ := os.ReadFile(b.starts())
	var out []record
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var r record
		if n, _ := fmt.Sscan(s.Text(), &r.at, &r.pid, &r.name); n == 3 {
			out = append(out, r)
		}
	}
	return out
}

// wait until there are n records in all. It looks every half millisecond, and only at how long the file is, as looking takes time from what
// is measured: that are the records' own times.
func (b *bench) wait(n int) ([]record, error) {
	const shortest = len("1000000000 10 x\n")
	looked := int64(0)
	for end := time.Now().Add(60 * time.Second); ; {
		if i, err := os.Stat(b.starts()); err == nil && i.Size() > looked && i.Size() >= int64(n*shortest) {
			r := b.records()
			if len(r) >= n {
				return r, nil
			}
			looked = i.Size() + int64((n-len(r)-1)*shortest) // not before there can be as many
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("only %d of %d processes started", len(b.records()), n)
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// floor starts n programs as fast as the kernel does, with nothing around it.
func (b *bench) floor() (time.Duration, error) {
	begin := monotonic()
	var pids []int
	for i := range b.n {
		pid, err := syscall.ForkExec(b.tick, []string{"tick", b.starts(), strconv.Itoa(i)}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
		if err != nil {
			return 0, err
		}
		pids = append(pids, pid)
	}
	r, err := b.wait(b.n)
	for _, p := range pids {
		_ = syscall.Kill(p, syscall.SIGKILL)
		_, _ = syscall.Wait4(p, nil, 0, nil)
	}
	_ = os.Remove(b.starts())
	if err != nil {
		return 0, err
	}
	return r[len(r)-1].at - begin, nil
}

// floors are one fork and exec until the program runs, and the same after a kill: from the kill on, with nothing in between but waiting for
// the end of the first.
func (b *bench) floors() (spawn, crash time.Duration, err error) {
	var spawns, crashes []time.Duration
	for range 20 {
		begin := monotonic()
		pid, pidfd, at, err := b.spawnOne()
		if err != nil {
			return 0, 0, err
		}
		spawns = append(spawns, at-begin)
		begin = monotonic()
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
		next, nextfd, at, err := b.spawnOne()
		if err != nil {
			return 0, 0, err
		}
		crashes = append(crashes, at-begin)
		_ = syscall.Kill(next, syscall.SIGKILL)
		for _, p := range []int{pid, next} {
			_, _ = syscall.Wait4(p, nil, 0, nil)
		}
		_, _ = unix.Close(pidfd), unix.Close(nextfd)
	}
	return median(spawns), median(crashes), nil
}

// spawnOne starts the program and answers when it ran.
func (b *bench) spawnOne() (pid, pidfd int, at time.Duration, err error) {
	file := filepath.Join(b.dir, "floor")
	defer os.Remove(file)
	pid, err = syscall.ForkExec(b.tick, []string{"tick", file, "x"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}})
	for err == nil {
		data, _ := os.ReadFile(file)
		if n, _ := fmt.Sscan(string(data), &at); n == 1 && bytes.HasSuffix(data, []byte("\n")) {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	return pid, pidfd, at, err
}

func (b *bench) manifest(i, version int) error {
	name := fmt.Sprintf("p%04d", i)
	text := fmt.Sprintf("apiVersion: mirroros.dev/v1alpha1\nkind: Process\nmetadata: {name: %s}\nspec:\n  command: [%s, %s, %s, v%d]\n", name, b.tick, b.starts(), name, version)
	path := filepath.Join(b.dir, "m", name+".yaml")
	if err := os.WriteFile(path+".tmp", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func (b *bench) manifests() error {
	for i := range b.n {
		if err := b.manifest(i, 0); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) start() error {
	if err := os.MkdirAll(filepath.Join(b.dir, "m"), 0o755); err != nil {
		return err
	}
	b.cmd = exec.Command(filepath.Join(b.bin, "mirrorosd"), "--manifests", b.dir+"/m", "--state", b.dir+"/s", "--run", b.dir+"/r")
	log, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.cmd.Stdout, b.cmd.Stderr = log, log
	return b.cmd.Start()
}

func (b *bench) ctl(args ...string) (string, error) {
	out, err := exec.Command(filepath.Join(b.bin, "mirrorctl"), append([]string{"--socket", b.dir + "/r/api.sock"}, args...)...).CombinedOutput()
	return string(out), err
}

// empty measures an operator that holds nothing, and ends it.
func (b *bench) empty() (float64, error) {
	if err := b.start(); err != nil {
		return 0, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := b.ctl("version"); err == nil {
			break
		} else if time.Now().After(end) {
			b.end()
			return 0, fmt.Errorf("the operator does not answer: %w", err)
		}
	}
	time.Sleep(3 * time.Second)
	m := b.memory()
	b.end()
	return m, os.RemoveAll(filepath.Join(b.dir, "s"))
}

func (b *bench) cold() (time.Duration, error) {
	begin := monotonic()
	if err := b.start(); err != nil {
		return 0, err
	}
	r, err := b.wait(b.n)
	if err != nil {
		return 0, err
	}
	b.seen = len(r)
	return r[len(r)-1].at - begin, nil
}

// settle waits until nothing is left to do.
func (b *bench) settle() error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err := b.ctl("status"); err == nil {
			time.Sleep(3 * time.Second)
			return nil
		} else if time.Now().After(end) {
			out, _ := b.ctl("status")
			return fmt.Errorf("not all is ready:\n%s", out)
		}
	}
}

// pids of operator and guardian. The kernel lists children by the thread that made them.
func (b *bench) pids() []int {
	out := []int{b.cmd.Process.Pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", b.cmd.Process.Pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for f := range strings.FieldsSeq(string(children)) {
			pid, _ := strconv.Atoi(f)
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			if strings.HasPrefix(string(name), "mirrorosd") {
				out = append(out, pid)
			}
		}
	}
	return out
}

// memory is the proportional set size of operator and guardian, in KiB.
func (b *bench) memory() float64 {
	var kib float64
	for _, pid := range b.pids() {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(data)) {
			var n float64
			if c, _ := fmt.Sscanf(line, "Pss: %f kB", &n); c == 1 {
				kib += n
			}
		}
	}
	return kib
}

// rest counts clock ticks and context switches of operator and guardian while nothing happens.
func (b *bench) rest(d time.Duration) (ticks, switches int) {
	t0, s0 := b.busy()
	time.Sleep(d)
	t1, s1 := b.busy()
	return t1 - t0, s1 - s0
}

func (b *bench) busy() (ticks, switches int) {
	for _, pid := range b.pids() {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])); len(f) > 12 {
			u, _ := strconv.Atoi(f[11])
			s, _ := strconv.Atoi(f[12])
			ticks += u + s
		}
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, t := range tasks {
			data, _ := os.ReadFile(t)
			for line := range strings.Lines(string(data)) {
				if name, n, ok := strings.Cut(line, ":"); ok && strings.HasSuffix(name, "voluntary_ctxt_switches") {
					v, _ := strconv.Atoi(strings.TrimSpace(n))
					switches += v
				}
			}
		}
	}
	return ticks, switches
}

// edits saves manifests one after another and times each until the new process runs.
func (b *bench) edits(rounds int) (all []time.Duration, touched int, err error) {
	for i := range rounds {
		time.Sleep(100 * time.Millisecond)
		begin := monotonic()
		if err := b.manifest(i*7%b.n, i+1); err != nil {
			return nil, 0, err
		}
		r, err := b.wait(b.seen + 1)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, r[b.seen].at-begin)
		b.seen++
	}
	time.Sleep(500 * time.Millisecond)
	touched = len(b.records()) - b.seen
	b.seen += touched
	return all, touched, nil
}

// crashes kills processes one after another and times each until its replacement runs.
func (b *bench) crashes(rounds int) (all []time.Duration, err error) {
	latest := map[string]int{}
	for _, r := range b.records() {
		latest[r.name] = r.pid
	}
	for i := range rounds {
		time.Sleep(100 * time.Millisecond)
		begin := monotonic()
		if err := syscall.Kill(latest[fmt.Sprintf("p%04d", (i*11+3)%b.n)], syscall.SIGKILL); err != nil {
			return nil, err
		}
		r, err := b.wait(b.seen + 1)
		if err != nil {
			return nil, err
		}
		all = append(all, r[b.seen].at-begin)
		b.seen++
	}
	return all, nil
}

// end stops everything that was started.
func (b *bench) end() {
	if out, err := b.ctl("shutdown", "--timeout", "60s"); err != nil {
		fmt.Fprintln(os.Stderr, "bench: cannot stop the operator:", out)
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
	}
	_ = b.cmd.Wait()
}

// top is how long `mirrorctl top` takes beside the time that it measures, and to list the instances alone; the medians of five.
func (b *bench) top() (list, top time.Duration, err error) {
	var lists, all []time.Duration
	for range 5 {
		began := time.Now()
		if out, err := b.ctl("get", "instances", "-o", "json"); err != nil {
			return 0, 0, fmt.Errorf("cannot list: %v: %s", err, out)
		}
		lists = append(lists, time.Since(began))
		began = time.Now()
		out, err := b.ctl("top", "instances", "-o", "json")
		if err != nil {
			return 0, 0, fmt.Errorf("cannot run top: %v: %s", err, out)
		}
		if n := strings.Count(out, `"cpuPercent"`); n != b.n {
			return 0, 0, fmt.Errorf("top shows %d of %d", n, b.n)
		}
		all = append(all, time.Since(began)-500*time.Millisecond)
	}
	return median(lists), median(all), nil
}
