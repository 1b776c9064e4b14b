package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// tree of four levels that a call of agent-a falls under.
func tree() ledger.Config {
	day, hour := ledger.Window{Calendar: ledger.Day}, ledger.Window{Sliding: time.Hour}
	level := func(name, parent string, b ledger.Budget) ledger.Budget {
		b.Name, b.Parent = name, parent
		b.Limits = []ledger.Limit{
			{Name: "tokens", Measure: ledger.Tokens, Amount: 1 << 60, Window: day, OnExceeded: ledger.Deny},
			{Name: "cost", Measure: ledger.Cost, Amount: 1 << 60, Window: hour, OnExceeded: ledger.Deny}}
		return b
	}
	return ledger.Config{Number: 1, Budgets: []ledger.Budget{
		level("company", "", ledger.Budget{All: true}), level("department", "company", ledger.Budget{Types: []string{"agent"}}),
		level("team", "department", ledger.Budget{Labels: map[string]string{"team": "a"}}),
		level("agent", "team", ledger.Budget{Names: []string{"agent-a"}, Each: true}),
	}, Principals: []ledger.Principal{{Name: "agent-a", Type: "agent", Labels: map[string]string{"team": "a"}}}}
}

var price = ledger.Price{InputPerMillion: 3e9, CachedPerMillion: 3e8, OutputPerMillion: 15e9}

func benchRequest() *ledger.Request {
	return &ledger.Request{ID: "0123456789abcdef", Principal: "agent-a", Gate: "main", Route: "chat", Model: "small", Input: 900, Output: 300, Prices: []ledger.Price{price}}
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func openBench(b testing.TB, dir string) *ledger.Ledger {
	l, err := ledger.Open(ledger.Options{Dir: dir})
	must(b, err)
	b.Cleanup(func() { l.Close() })
	must(b, l.Configure(tree()))
	return l
}

func oneCall(b testing.TB, l *ledger.Ledger, r *ledger.Request, durable bool) {
	got, over, err := l.Reserve(context.Background(), r)
	if err != nil || over != nil {
		b.Error(over, err)
		return
	}
	must(b, got.Commit(durable))
	got.Settle(ledger.Usage{Input: 900, Output: 200}, &price)
}

func BenchmarkMemory(b *testing.B) {
	once, err := ledger.Bench(tree(), benchRequest())
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

// BenchmarkFloor is a bare write(2) of what a call writes, and fdatasync(2).
func BenchmarkFloor(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	must(b, err)
	defer f.Close()
	record := make([]byte, 200)
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begun := time.Now()
		_, err := f.Write(record)
		must(b, err)
		must(b, ledger.Fdatasync(f))
		took = append(took, time.Since(begun))
	}
	percentiles(b, took)
}

func percentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

func BenchmarkCall(b *testing.B) {
	for _, durable := range []bool{false, true} {
		for _, clients := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("durable=%t/clients=%d", durable, clients), func(b *testing.B) {
				l := openBench(b, b.TempDir())
				took := make([]time.Duration, b.N)
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for c := range clients {
					all.Go(func() {
						r := benchRequest()
						for i := c; i < b.N; i += clients {
							begun := time.Now()
							oneCall(b, l, r, durable)
							took[i] = time.Since(begun)
						}
					})
				}
				all.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
				percentiles(b, took)
			})
		}
	}
}

// BenchmarkSecondGate is a call through one gate while 32 callers of another one keep it as busy as they can.
func BenchmarkSecondGate(b *testing.B) {
	dir := b.TempDir()
	busy, l := openBench(b, dir), openBench(b, dir)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for r := benchRequest(); ; {
				select {
				case <-stop:
					return
				default:
					oneCall(b, busy, r, false)
				}
			}
		})
	}
	took := make([]time.Duration, 0, 1000)
	for b.Loop() {
		begun := time.Now()
		oneCall(b, l, benchRequest(), false)
		took = append(took, time.Since(begun))
	}
	close(stop)
	all.Wait()
	percentiles(b, took)
}

// spreading is a clock on which a million calls take thirty days.
type spreading struct{ n atomic.Int64 }

func (c *spreading) at() time.Duration   { return time.Duration(c.n.Load()) * 1300 * time.Millisecond }
func (c *spreading) Wall() time.Time     { return time.Unix(1_800_000_000, 0).Add(c.at()) }
func (c *spreading) Boot() time.Duration { c.n.Add(1); return c.at() } // once for a reservation, and for its end
func (c *spreading) BootID() string      { return "boot" }

// BenchmarkReplay opens a log of a million calls of 40 kinds in thirty days, not compacted; then it is compacted.
func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	o := ledger.Options{Dir: dir, SegmentBytes: 1 << 40, Clock: &spreading{}}
	open := func() *ledger.Ledger {
		l, err := ledger.Open(o)
		must(b, err)
		must(b, l.Configure(tree()))
		return l
	}
	l := open()
	r := benchRequest()
	for i := range 1_000_000 {
		r.Principal = fmt.Sprintf("agent-%d", i%40)
		oneCall(b, l, r, false)
	}
	must(b, l.Close())
	for b.Loop() {
		r, err := ledger.OpenReader(dir)
		must(b, err)
		r.Close()
	}
	b.ReportMetric(float64(size(b, dir, "*.log"))/(1<<20), "log-MiB")
	l = open()
	defer l.Close()
	begun := time.Now()
	must(b, l.Compact())
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "compact-ms")
	b.ReportMetric(float64(size(b, dir, "*.book"))/(1<<20), "book-MiB")
	begun = time.Now()
	again, err := ledger.OpenReader(dir)
	must(b, err)
	again.Close()
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "reopen-ms")
}

func size(b testing.TB, dir, pattern string) (n int64) {
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	must(b, err)
	for _, name := range names {
		st, err := os.Stat(name)
		must(b, err)
		n += st.Size()
	}
	return n
}

// BenchmarkConfigure sets 10,000 budgets in a tree, over a log of 1,000 kinds of calls; then changes one window of each.
func BenchmarkConfigure(b *testing.B) {
	dir := b.TempDir()
	l := openBench(b, dir)
	for i := range 1000 {
		r := benchRequest()
		r.Principal, r.Model = fmt.Sprintf("agent-%d", i%500), fmt.Sprint("m", i/500)
		oneCall(b, l, r, false)
	}
	c := ledger.Config{}
	for i := range 10_000 {
		x := ledger.Budget{Name: fmt.Sprint("b", i), Names: []string{fmt.Sprintf("agent-%d", i%500)}, Limits: tree().Budgets[0].Limits}
		if i > 0 {
			x.Parent = fmt.Sprint("b", (i-1)/10)
		}
		c.Budgets = append(c.Budgets, x)
	}
	sliding := ledger.Window{Sliding: time.Minute}
	for b.Loop() {
		c.Number++
		sliding.Sliding += time.Second
		for i := range c.Budgets {
			limits := slices.Clone(c.Budgets[i].Limits)
			limits[0].Window = sliding
			c.Budgets[i].Limits = limits
		}
		must(b, l.Configure(c))
	}
}
