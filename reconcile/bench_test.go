package reconcile_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

func benchClient(b *testing.B, processes int) *reconcile.Client {
	b.Helper()
	s, err := store.Open(filepath.Join(b.TempDir(), "state.db"), store.Options{Codec: reconcile.Codec()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	c := reconcile.NewClient(s, reconcile.ClientOptions{})
	_, err = c.Txn(context.Background(), func(t *reconcile.ClientTx) error {
		for i := range processes {
			if _, err := t.Create(process(fmt.Sprintf("p%05d", i))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkManager is from Run to the end of the first reconcile of every object, where each reads its object and finds nothing to do.
func BenchmarkManager(b *testing.B) {
	for _, n := range []int{500, 10000} {
		b.Run(fmt.Sprintf("start with %d objects", n), func(b *testing.B) {
			c := benchClient(b, n)
			for b.Loop() {
				var left atomic.Int64
				left.Store(int64(n))
				ctx, cancel := context.WithCancel(context.Background())
				m := reconcile.NewManager(reconcile.ManagerOptions{Client: c})
				m.Add(reconcile.Controller{Name: "p", Kind: "Process", Workers: 4, Reconciler: reconcileFunc(func(_ context.Context, r reconcile.Request) (reconcile.Result, error) {
					p, _ := reconcile.Get[*specs.Process](c, r.Name)
					_, err := c.UpdateStatus(ctx, p)
					if left.Add(-1) == 0 {
						cancel()
					}
					return reconcile.Result{}, err
				})})
				if err := m.Run(ctx); err != nil {
					b.Fatal(err)
				}
				cancel()
			}
		})
	}
}

func BenchmarkClient(b *testing.B) {
	ctx := context.Background()
	c := benchClient(b, 10000)
	b.Run("update of a spec", func(b *testing.B) {
		p := process("p00001")
		for i := 0; b.Loop(); i++ {
			p.Spec.Version = fmt.Sprint(i)
			if _, err := c.Update(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("update of a status", func(b *testing.B) {
		p := process("p00002")
		for i := 0; b.Loop(); i++ {
			p.Status.Restarts = int32(i)
			if _, err := c.UpdateStatus(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("update that changes nothing", func(b *testing.B) {
		p := process("p00003")
		for b.Loop() {
			if _, err := c.Update(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list 10000", func(b *testing.B) {
		for b.Loop() {
			reconcile.List[*specs.Process](c)
		}
	})
}
