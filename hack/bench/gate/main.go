// Gate measures what the gate costs: the same calls directly to a model server that answers at once, through the gate with each durability, and
// through haproxy and nginx where they are installed, in turns, on one host.
//
//	go run ./hack/bench/gate [-for 2s] [-rounds 3]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"
)

var (
	span    = flag.Duration("for", 2*time.Second, "time of each measurement")
	rounds  = flag.Int("rounds", 3, "rounds; the median counts")
	streams = flag.Int("streams", 20_000, "streams that are checked for their end")
	idle    = flag.Int("idle", 1000, "connections that are held open for the memory")
	profile = flag.String("profile", "", "write a CPU profile of the gate to this file")
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "backend":
			runBackend()
			return
		case "proxy":
			runGate(os.Args[2:])
			return
		}
	}
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// target is something that calls go through.
type target struct {
	name, addr string
	pid        int
	single     []result // one connection
	many       []result // 64
	stream     []result // one connection, streams
}

func run() error {
	dir, err := os.MkdirTemp("", "gatebench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var started []*exec.Cmd
	defer func() {
		for _, c := range started {
			_ = c.Process.Signal(os.Interrupt)
			_ = c.Wait()
		}
	}()
	begin := func(name string, args ...string) (*target, error) {
		c, addr, err := child(args...)
		if err != nil {
			return nil, err
		}
		started = append(started, c)
		return &target{name: name, addr: addr, pid: c.Process.Pid}, nil
	}
	direct, err := begin("direct", "backend")
	if err != nil {
		return err
	}
	targets := []*target{direct}
	for _, g := range []struct{ name, sync string }{{"gate, Process", "false"}, {"gate, Power", "true"}} {
		t, err := begin(g.name, "proxy", "-backend", direct.addr, "-dir", dir, "-sync="+g.sync, "-profile", *profile)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	for _, peer := range peers {
		if c, addr := peer.start(dir, direct.addr); c != nil {
			started = append(started, c)
			targets = append(targets, &target{name: peer.name, addr: addr, pid: c.Process.Pid})
		}
	}
	for range *rounds {
		for _, t := range targets {
			t.single = append(t.single, load(t.addr, 1, false, *span, 0))
			t.many = append(t.many, load(t.addr, 64, false, *span, 0))
			t.stream = append(t.stream, load(t.addr, 1, true, *span, 0))
		}
	}
	report(targets)
	gate := targets[1]
	all := load(gate.addr, 32, true, 2*time.Minute, *streams)
	fmt.Printf("streams through the gate: %d, cut %d\n", all.n+all.cut, all.cut)
	before := resident(gate.pid)
	hold, err := open(gate.addr, *idle)
	if err != nil {
		return err
	}
	fmt.Printf("memory of the gate: %.1f MiB after the load, %.1f MiB with %d open connections beside\n", before, resident(gate.pid), *idle)
	for _, c := range hold {
		_ = c.Close()
	}
	return nil
}

func report(targets []*target) {
	base := targets[0]
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\t1 connection p50 (added)\tp99\t64 connections /s (of direct)\tfirst byte of a stream p50 (added)\tp99\tfailed\tcut")
	for _, t := range targets {
		one, many, stream := middle(t.single), middle(t.many), middle(t.stream)
		failed, cut := 0, 0
		for _, r := range slices.Concat(t.single, t.many, t.stream) {
			failed, cut = failed+r.failed, cut+r.cut
		}
		fmt.Fprintf(w, "%s\t%d µs (+%d)\t%d µs\t%.0f (%.2f)\t%d µs (+%d)\t%d µs\t%d\t%d\n", t.name, one.p50, one.p50-middle(base.single).p50, one.p99,
			many.rate, many.rate/middle(base.many).rate, stream.p50, stream.p50-middle(base.stream).p50, stream.p99, failed, cut)
	}
	_ = w.Flush()
}

// middle takes the median of each figure by itself.
func middle(rs []result) result {
	by := func(of func(result) float64) float64 {
		var all []float64
		for _, r := range rs {
			all = append(all, of(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return result{p50: int(by(func(r result) float64 { return float64(r.p50) })), p99: int(by(func(r result) float64 { return float64(r.p99) })),
		rate: by(func(r result) float64 { return r.rate })}
}
