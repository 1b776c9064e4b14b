package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mirroros.dev/mirroros/reconcile/source"
)

// BenchmarkEdit measures one edit among many files, from the write to the Snapshot that has it. Its floor is the write alone.
func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{1, 500, 10_000} {
		b.Run(fmt.Sprint(n, "files"), func(b *testing.B) {
			root := b.TempDir()
			for i := range n {
				dir := filepath.Join(root, fmt.Sprint("d", i/100))
				_ = os.MkdirAll(dir, 0o755)
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".yaml")), []byte("x"), 0o644); err != nil {
					b.Fatal(err)
				}
			}
			s := source.New(source.Options{Root: root})
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			<-s.Changed()
			calm := time.NewTimer(0)
			var took []time.Duration
			path := filepath.Join(root, "d0", "0.yaml")
			for i := range b.N {
				calm.Reset(120 * time.Millisecond) // an edit stands alone
				<-calm.C
				want := fmt.Sprint("edit ", i)
				start := time.Now()
				if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
					b.Fatal(err)
				}
				for string(s.Latest().Files["d0/0.yaml"].Data) != want {
					<-s.Changed()
				}
				took = append(took, time.Since(start))
			}
			cancel()
			<-done
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds()), "µs-p95")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRead measures reading 10,000 files for the first time.
func BenchmarkRead(b *testing.B) {
	root := b.TempDir()
	for i := range 10_000 {
		dir := filepath.Join(root, fmt.Sprint("d", i/100))
		_ = os.MkdirAll(dir, 0o755)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".yaml")), []byte("x"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if snap := source.Read(context.Background(), source.Options{Root: root}); len(snap.Files) != 10_000 {
			b.Fatal(len(snap.Files))
		}
	}
}
