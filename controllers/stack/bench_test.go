package stack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile"
)

// spread are n processes in files of their own, a hundred in a directory.
func spread(n int) map[string]string {
	return many(n, func(i int) (string, string) {
		name := fmt.Sprintf("p%05d", i)
		return fmt.Sprintf("d%03d/%s.yaml", i/100, name), process(name, "ports: [{name: http}]", "readinessProbe: {httpGet: {path: /, port: http}}")
	})
}

func benchWorld(b *testing.B, n int) *world {
	gomega.RegisterTestingT(b)
	w := newWorld(b)
	w.apply(spread(n))
	w.now = w.now.Add(time.Minute)
	w.settle()
	return w
}

func BenchmarkCold(b *testing.B) {
	for _, n := range []int{500, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			gomega.RegisterTestingT(b)
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b)
				w.save(spread(n))
				b.StartTimer()
				w.settle()
			}
		})
	}
}

func BenchmarkUnchanged10000(b *testing.B) {
	w := benchWorld(b, 10000)
	for b.Loop() {
		w.now = w.now.Add(time.Minute)
		w.save(nil)
		w.r.Look()
		w.reconcile("default")
	}
}

func BenchmarkRestart10000(b *testing.B) {
	w := benchWorld(b, 10000)
	for b.Loop() {
		w.restart()
		w.settle()
	}
}

// BenchmarkOneEditAmong10000 is from the snapshot to the store's commit.
func BenchmarkOneEditAmong10000(b *testing.B) {
	w := benchWorld(b, 10000)
	i := 0
	for b.Loop() {
		i++
		b.StopTimer()
		w.now = w.now.Add(time.Minute)
		w.save(map[string]string{"d050/p05000.yaml": process("p05000", "ports: [{name: http}]", fmt.Sprintf("why: v%d", i))})
		_, watch := w.store.ListWatch([]string{"Process"})
		b.StartTimer()
		done := make(chan struct{})
		go func() {
			_, _ = w.r.Reconcile(context.Background(), reconcile.Request{Kind: "Stack", Name: "default"})
			close(done)
		}()
		if _, err := watch.Next(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		<-done
		watch.Close()
		b.StartTimer()
	}
}
