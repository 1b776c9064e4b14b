// Command limits measures what limits and sandboxes cost: a start in a group of cgroup v1, and at each level, over a plain one, and a
// thousand groups made and removed.
//
//	limits -bin bin
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mirroros.dev/mirroros/controllers/process/runner"
	"mirroros.dev/mirroros/controllers/process/runner/group"
	"mirroros.dev/mirroros/controllers/process/sandbox"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the programs")
	program := flag.String("run", "/bin/true", "the program to start; it must end at once")
	rounds := flag.Int("rounds", 100, "starts to time of each kind")
	flag.Parse()
	if err := measure(*bin, *program, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is a runner that tells of ends.
type bench struct {
	*runner.Runner
	program string
	ended   chan string
}

func measure(bin, program string, rounds int) error {
	guard, err := filepath.Abs(filepath.Join(bin, "mirrorguard"))
	if err != nil {
		return err
	}
	state, err := os.MkdirTemp("", "limits")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	r, err := runner.Open(runner.Options{StateDir: state, Guard: guard})
	if err != nil {
		return err
	}
	b := &bench{r, program, make(chan string, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, func(id string) { b.ended <- id }) }()
	defer func() { cancel(); <-done; r.Close() }()

	host := sandbox.Probe()
	plain, err := b.starts("plain", rounds, runner.Spec{})
	if err != nil {
		return err
	}
	fmt.Printf("| %-34s | %9s | %9s |\n", "start until it was executed, p50", "ours", "over plain")
	row := func(name string, d time.Duration) {
		fmt.Printf("| %-34s | %6.2f ms | %6.2f ms |\n", name, ms(d), ms(d-plain))
	}
	row("plain", plain)
	limits := group.Limits{Memory: 64 << 20, CPU: 500, Pids: 50}
	d, err := b.starts("limited", rounds, runner.Spec{Limits: limits})
	if err != nil {
		return err
	}
	row("with limits of all three", d)
	for l := sandbox.Restricted; l <= sandbox.Isolated; l++ {
		p, err := host.Compile(sandbox.Options{Level: l, ReadOnly: []string{program}, Root: os.Geteuid() == 0})
		if err != nil {
			return err
		}
		d, err := b.starts(l.String(), rounds, runner.Spec{Sandbox: &runner.Sandbox{Text: p.Text, NewNet: p.NewNet, NewUser: p.NewUser}})
		if err != nil {
			return err
		}
		row(l.String(), d)
	}
	return groups(r.Capabilities().CgroupV2, limits)
}

// starts times starts of one kind, one after the other; the median.
func (b *bench) starts(name string, rounds int, s runner.Spec) (time.Duration, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	s.ID, s.Path, s.Argv, s.Output = name, b.program, []string{b.program}, null.Fd()
	var all []time.Duration
	for n := range rounds {
		s.Attempt = n + 1
		began := time.Now()
		if _, err := b.Start(s); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
		<-b.ended
	}
	slices.Sort(all)
	return all[len(all)/2], b.Forget(name)
}

// groups makes and removes a thousand groups with limits.
func groups(v2 string, l group.Limits) error {
	const n = 1000
	h := group.Probe(v2, fmt.Sprintf("mirroros-bench-%d", os.Getpid()))
	all := make([]group.Group, n)
	began := time.Now()
	for i := range all {
		name := fmt.Sprintf("bench-%d.1", i)
		all[i] = group.Group{V1: h.Plan(name, l)}
		if v2 != "" {
			all[i].V2 = filepath.Join(v2, name)
			if err := os.Mkdir(all[i].V2, 0o755); err != nil {
				return err
			}
		}
		if _, err := all[i].Make(); err != nil {
			return err
		}
		h.Set(all[i], l)
	}
	made := time.Since(began)
	for _, g := range all {
		if g.V2 != "" {
			group.Remove(g.V2)
		}
		g.Remove()
	}
	fmt.Printf("%d groups with limits (%d directories each) made in %.0f ms, removed in %.0f ms\n", n, len(all[0].V1)+1, ms(made), ms(time.Since(began)-made))
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
