package stack_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
)

func benchWorld(b *testing.B, n int) *world {
	b.Helper()
	RegisterTestingT(b)
	w := newWorld(b)
	w.apply(many(n, func(i int) (string, string) {
		name := fmt.Sprintf("p%05d", i)
		return name + ".yaml", process(name)
	}))
	w.ready()
	w.later(0)
	return w
}

// BenchmarkUnchanged is what a Stack costs when somebody looks at it and nothing changed: with the snapshot that is known, and with a new
// one of the same files.
func BenchmarkUnchanged(b *testing.B) {
	for _, n := range []int{500, 10000} {
		w := benchWorld(b, n)
		rev := w.store.Rev()
		b.Run(fmt.Sprintf("%d objects", n), func(b *testing.B) {
			for b.Loop() {
				w.reconcile("default")
			}
		})
		b.Run(fmt.Sprintf("%d objects in a new snapshot", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w.save(nil)
				b.StartTimer()
				w.settle()
			}
		})
		if w.store.Rev() != rev {
			b.Fatal("something was written")
		}
	}
}

// BenchmarkEdit is from a snapshot with one file changed until the change is in force, durably.
func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{500, 10000} {
		w := benchWorld(b, n)
		b.Run(fmt.Sprintf("one of %d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				b.StopTimer()
				name := fmt.Sprintf("p%05d", i*7%n)
				w.save(map[string]string{name + ".yaml": process(name, fmt.Sprintf("version: v%d", i))})
				b.StartTimer()
				w.r.Look()
				w.reconcile("default")
			}
		})
	}
}
