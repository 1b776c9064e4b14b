package process

import (
	"context"
	"fmt"
	"testing"

	"mirroros.dev/mirroros/specs"
)

// BenchmarkUnchanged is one reconcile of a process that is as it should be.
func BenchmarkUnchanged(b *testing.B) {
	w := newWorld(b)
	list := map[string]*specs.Process{}
	for i := range 500 {
		p := proc(fmt.Sprintf("p%03d", i))
		list[p.Name] = p
	}
	w.apply(list)
	w.drain()
	names := w.r.remembered()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := w.r.Reconcile(context.Background(), request(names[i%len(names)])); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecide is the policy alone.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(b)
	w.put(proc("web"))
	w.drain()
	m := w.r.memory("web")
	o, err := w.r.observe(look{view: w.r.view, m: m, name: "web"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		decide(o)
	}
}
