// Gate measures what the gate costs: the same calls directly to a model server that answers at once, through the gate with each durability, and
// through haproxy and nginx where they are installed, in turns, on one host.
//
//	go run ./hack/bench/gate [-for 2s] [-rounds 3] [-only REGEXP] [-beside OTHER-BUILD]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

var (
	span    = flag.Duration("for", 2*time.Second, "time of each measurement")
	rounds  = flag.Int("rounds", 3, "rounds; the median counts")
	streams = flag.Int("streams", 20_000, "streams that are checked for their end")
	idle    = flag.Int("idle", 1000, "connections that are held open for the memory")
	profile = flag.String("profile", "", "write a CPU profile of the gate to this file")
	only    = flag.String("only", "", "measure only what is named so, beside direct; a regular expression")
	shapes  = flag.String("shapes", "one,many,stream", "what is measured: one connection, many, streams")
	beside  = flag.String("beside", "", "another build of this program, whose gate is measured in the same rounds")
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
	// cost of each request at 64 connections, and at one
	costs, costs1 []cost
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
			_ = c.Process.Signal(syscall.SIGTERM) // an interrupt may be ignored, in a shell's background
			_ = c.Wait()
		}
	}()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	begin := func(name, program string, args ...string) (*target, error) {
		c, addr, err := child(program, args...)
		if err != nil {
			return nil, err
		}
		started = append(started, c)
		return &target{name: name, addr: addr, pid: c.Process.Pid}, nil
	}
	direct, err := begin("direct", self, "backend")
	if err != nil {
		return err
	}
	targets := []*target{direct}
	var gate *target // whose streams and memory are looked at
	for _, g := range []struct{ name, program, sync string }{{"gate, Process", self, "false"}, {"gate, Power", self, "true"},
		{"other build, Process", *beside, "false"}, {"other build, Power", *beside, "true"}} {
		if g.program == "" || !wanted.MatchString(g.name) {
			continue
		}
		of, err := os.MkdirTemp(dir, "gate")
		if err != nil {
			return err
		}
		t, err := begin(g.name, g.program, "proxy", "-backend", direct.addr, "-dir", of, "-sync="+g.sync, "-profile", *profile)
		if err != nil {
			return err
		}
		if targets = append(targets, t); gate == nil {
			gate = t
		}
	}
	for _, peer := range peers {
		if !wanted.MatchString(peer.name) {
			continue
		}
		if c, addr := peer.start(dir, direct.addr); c != nil {
			started = append(started, c)
			targets = append(targets, &target{name: peer.name, addr: addr, pid: c.Process.Pid})
		}
	}
	for range *rounds {
		for _, t := range targets {
			t.single, t.costs1 = t.measure("one", 1, t.single, t.costs1)
			t.many, t.costs = t.measure("many", 64, t.many, t.costs)
			t.stream, _ = t.measure("stream", 1, t.stream, nil)
		}
	}
	report(targets)
	if gate == nil || *streams == 0 {
		return nil
	}
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

// measure adds one result, and what it cost for each request.
func (t *target) measure(shape string, connections int, rs []result, cs []cost) ([]result, []cost) {
	if !strings.Contains(*shapes, shape) {
		return append(rs, result{}), append(cs, cost{})
	}
	before := costOf(t.pid)
	r := load(t.addr, connections, shape == "stream", *span, 0)
	return append(rs, r), append(cs, costOf(t.pid).since(before, r.n))
}

func report(targets []*target) {
	base := targets[0]
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\t1 connection p50 (added)\tp99\t64 connections /s (of direct)\tCPU µs, switches at 1; at 64\tfirst byte of a stream p50 (added)\tp99\tfailed\tcut")
	for _, t := range targets {
		one, many, stream := middle(t.single), middle(t.many), middle(t.stream)
		failed, cut := 0, 0
		for _, r := range slices.Concat(t.single, t.many, t.stream) {
			failed, cut = failed+r.failed, cut+r.cut
		}
		fmt.Fprintf(w, "%s\t%d µs (+%d)\t%d µs\t%.0f (%.2f)\t%v; %v\t%d µs (+%d)\t%d µs\t%d\t%d\n", t.name, one.p50, one.p50-middle(base.single).p50, one.p99,
			many.rate, many.rate/middle(base.many).rate, least(t.costs1), least(t.costs), stream.p50, stream.p50-middle(base.stream).p50, stream.p99, failed, cut)
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
