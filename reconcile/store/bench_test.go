package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mirroros.dev/mirroros/reconcile/store"
)

func benchStore(b *testing.B, objects int) *store.Store {
	b.Helper()
	s, err := store.Open(filepath.Join(b.TempDir(), "state.db"), store.Options{Codec: codec{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if objects > 0 {
		must(b, s, func(t *store.Tx) error { return createMany(t, objects) })
	}
	return s
}

var kibibyte = strings.Repeat("x", 1024)

func createMany(t *store.Tx, n int) error {
	for i := range n {
		if err := t.Create(newThing(fmt.Sprintf("thing-%06d", i), strings.Clone(kibibyte)), "Thing"); err != nil {
			return err
		}
	}
	return nil
}

func must(b *testing.B, s *store.Store, fn func(*store.Tx) error) {
	b.Helper()
	if _, err := s.Txn(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFloorSync is two writes of a page, each made durable: what bbolt cannot do without.
func BenchmarkFloorSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 16<<10)
	for b.Loop() {
		for range 2 {
			if _, err := f.WriteAt(page, 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkTxn(b *testing.B) {
	for _, n := range []int{0, 10000} {
		b.Run(fmt.Sprintf("durable put among %d", n), func(b *testing.B) {
			s := benchStore(b, n)
			must(b, s, func(t *store.Tx) error { return t.Create(newThing("a", kibibyte), "Thing") })
			for b.Loop() {
				must(b, s, func(t *store.Tx) error { return t.Update(newThing("a", kibibyte), "Thing") })
			}
		})
	}
	b.Run("durable put, 16 at once", func(b *testing.B) {
		s := benchStore(b, 10000)
		b.SetParallelism(8)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				must(b, s, func(t *store.Tx) error { return t.Update(newThing("thing-000001", kibibyte), "Thing") })
			}
		})
	})
	b.Run("lazy put among 10000", func(b *testing.B) {
		s := benchStore(b, 10000)
		for b.Loop() {
			must(b, s, func(t *store.Tx) error { return t.UpdateLazy(newThing("thing-000001", kibibyte), "Thing") })
		}
	})
	b.Run("nothing", func(b *testing.B) {
		s := benchStore(b, 10000)
		for b.Loop() {
			must(b, s, func(t *store.Tx) error { return nil })
		}
	})
	b.Run("10000 puts", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := benchStore(b, 0)
			b.StartTimer()
			must(b, s, func(t *store.Tx) error { return createMany(t, 10000) })
		}
	})
}

func BenchmarkRead(b *testing.B) {
	s := benchStore(b, 10000)
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			s.Get(key("thing-005000"))
		}
	})
	b.Run("list 10000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.List("Thing")
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state.db")
	s, err := store.Open(path, store.Options{Codec: codec{}})
	if err != nil {
		b.Fatal(err)
	}
	must(b, s, func(t *store.Tx) error { return createMany(t, 10000) })
	_ = s.Close()
	for b.Loop() {
		s, err := store.Open(path, store.Options{Codec: codec{}})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = s.Close()
		b.StartTimer()
	}
}

// BenchmarkMemory reports what the store needs for each object besides the object itself.
func BenchmarkMemory(b *testing.B) {
	const n = 10000
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "state.db")
		s, _ := store.Open(path, store.Options{Codec: codec{}})
		must(b, s, func(t *store.Tx) error { return createMany(t, n) })
		_ = s.Close()
		before := heap()
		s, _ = store.Open(path, store.Options{Codec: codec{}})
		all := heap() - before
		before = heap()
		list := make([]store.Object, n)
		for i := range list {
			o, _ := s.Get(key(fmt.Sprintf("thing-%06d", i)))
			c := o.DeepCopyObject().(*thing)
			c.Name, c.Value = strings.Clone(c.Name), strings.Clone(c.Value)
			list[i] = c
		}
		objects := heap() - before
		b.ReportMetric(float64(all)/n, "B/object")
		b.ReportMetric(float64(all-objects)/n, "B-overhead/object")
		runtime.KeepAlive(list)
		_ = s.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
