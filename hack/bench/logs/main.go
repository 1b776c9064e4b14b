// Command logs measures what keeping a log costs: lines of 100 bytes written to a plain file (the floor), the same through
// controllers/process/logs, and the same while the sampling process is killed with SIGKILL again and again. Each round runs
// all of them one after the other; the table has the medians. It exits with 1 when a retained line was lost, doubled or torn.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
)

// options of a measurement.
type options struct {
	bytes, keep   int64
	chunk         int
	kills, rounds int
	dir           string
}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.Int64Var(&o.bytes, "bytes", 1<<30, "how much to write")
	flag.Int64Var(&o.keep, "keep", 64<<20, "how much to keep")
	flag.IntVar(&o.chunk, "chunk", 64<<10, "bytes for each write(2); 100 is one line")
	flag.IntVar(&o.kills, "kills", 20, "how often the sampling process is killed")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where to write")
	flag.Parse()
	ok, err := bench(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// bench runs all rounds and prints the table.
func bench(o options) (ok bool, err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-logs-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	var plain, ours, killed []result
	for range o.rounds {
		r, err := measurePlain(o, dir)
		if err != nil {
			return false, err
		}
		plain = append(plain, r)
		if r, err = measureLogs(o, dir, 0, 0); err != nil {
			return false, err
		}
		ours = append(ours, r)
		if r, err = measureLogs(o, dir, o.kills, r.seconds); err != nil {
			return false, err
		}
		killed = append(killed, r)
	}
	floor := median(plain)
	fmt.Printf("%d MiB of 100-byte lines, %d bytes a write, %d MiB kept, median of %d\n", o.bytes>>20, o.chunk, o.keep>>20, o.rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tseconds\tratio\tsampler CPU s\tkills\tpeak MiB\tkept MiB\tlines kept\tlost\tdoubled\ttorn\t")
	ok = row(w, "plain file", floor, floor, o)
	ok = row(w, "kept", median(ours), floor, o) && ok
	ok = row(w, "kept, sampler killed", median(killed), floor, o) && ok
	return ok, w.Flush()
}

func row(w *tabwriter.Writer, name string, r, floor result, o options) bool {
	fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, r.seconds, r.seconds/floor.seconds, r.cpu, r.kills,
		r.peak>>20, r.disk>>20, r.lines, r.lost, r.doubled, r.torn)
	return r.lost+r.doubled+r.torn == 0
}

// median is the round with the median time, with the worst counts of all rounds.
func median(rs []result) result {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(a, b result) int {
		if a.seconds < b.seconds {
			return -1
		}
		return 1
	})
	m := rs[len(rs)/2]
	for _, r := range rs {
		m.lost, m.doubled, m.torn = max(m.lost, r.lost), max(m.doubled, r.doubled), max(m.torn, r.torn)
		m.peak = max(m.peak, r.peak)
	}
	return m
}
