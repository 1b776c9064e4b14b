package audit_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mirroros.dev/mirroros/reconcile/audit"
)

// BenchmarkWrite tells what a record costs beside write(2) and fdatasync(2) of as many bytes.
func BenchmarkWrite(b *testing.B) {
	for _, sync := range []bool{false, true} {
		name := map[bool]string{false: "process", true: "power"}[sync]
		b.Run("floor/"+name, func(b *testing.B) { benchFloor(b, sync) })
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%d/%s", writers, name), func(b *testing.B) { benchWrite(b, writers, sync) })
		}
	}
}

func benchFloor(b *testing.B, sync bool) {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	line := make([]byte, 560)
	for b.Loop() {
		if _, err := f.Write(line); err != nil {
			b.Fatal(err)
		}
		if sync {
			if err := audit.Fdatasync(f); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func benchWrite(b *testing.B, writers int, sync_ bool) {
	root := b.TempDir()
	l, err := audit.Open(audit.Options{Dir: filepath.Join(root, "audit"), Writer: "gate", KeyFile: filepath.Join(root, "key")})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	times := make([][]time.Duration, writers)
	b.ReportAllocs()
	b.ResetTimer()
	begin := time.Now()
	for w := range writers {
		n := b.N / writers
		if w < b.N%writers {
			n++
		}
		wg.Go(func() {
			r := decision("0123456789abcdef")
			times[w] = make([]time.Duration, 0, n)
			for range n {
				at := time.Now()
				if err := l.Write(r, sync_); err != nil {
					b.Error(err)
					return
				}
				times[w] = append(times[w], time.Since(at))
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	b.StopTimer()
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "µs-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1000, "µs-p99")
	b.ReportMetric(float64(b.N)/took.Seconds(), "records/s")
}

// BenchmarkVerify reads 100,000 records, beside reading the same bytes.
func BenchmarkVerify(b *testing.B) {
	const records = 100_000
	root := b.TempDir()
	dir := filepath.Join(root, "audit")
	l, err := audit.Open(audit.Options{Dir: dir, Writer: "gate", KeyFile: filepath.Join(root, "key")})
	if err != nil {
		b.Fatal(err)
	}
	for range records - 1 {
		l.Post(decision("0123456789abcdef"))
	}
	if err := errors.Join(l.Write(decision("0123456789abcdef"), false), l.Close()); err != nil {
		b.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	b.Run("floor", func(b *testing.B) {
		for b.Loop() {
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					b.Fatal(err)
				}
				_ = sha256.Sum256(data)
			}
		}
	})
	b.Run("100000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := audit.Verify(dir, l.PublicKey())
			if err != nil || !r.OK() || r.Lines < records {
				b.Fatal(err, r)
			}
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
}
