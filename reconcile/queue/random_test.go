package queue_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/queue"
)

// model is the queue in a few lines: what is ready in order, what a worker has, and what was added meanwhile.
type model struct {
	ready []modelItem
	busy  map[int]*modelItem // nil: not added since
}

type modelItem struct {
	key int
	p   queue.Priority
}

func (m *model) add(k int, p queue.Priority) {
	if again, ok := m.busy[k]; ok {
		if again == nil {
			again = &modelItem{k, p}
		}
		again.p = max(again.p, p)
		m.busy[k] = again
		return
	}
	for i := range m.ready {
		if m.ready[i].key == k {
			m.ready[i].p = max(m.ready[i].p, p)
			return
		}
	}
	m.ready = append(m.ready, modelItem{k, p})
}

func (m *model) get() modelItem {
	best := slices.MaxFunc(m.ready, func(a, b modelItem) int { return cmp.Compare(a.p, b.p) }) // the first of the greatest
	m.ready = slices.DeleteFunc(m.ready, func(it modelItem) bool { return it.key == best.key })
	m.busy[best.key] = nil
	return best
}

func (m *model) done(k int) {
	again := m.busy[k]
	delete(m.busy, k)
	if again != nil {
		m.ready = append(m.ready, *again)
	}
}

var _ = Describe("a queue under random use", func() {
	It("does what a model of it does", func() {
		seed := uint64(GinkgoRandomSeed())
		GinkgoWriter.Println("seed", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		q, m := queue.New[int](queue.Options{}), &model{busy: map[int]*modelItem{}}
		defer q.Close()
		for i := range 20000 {
			by := fmt.Sprintf("seed %d, step %d", seed, i)
			k, p := r.IntN(20), queue.Priority(r.IntN(4))
			switch r.IntN(4) {
			case 0, 1:
				q.Add(k, p)
				m.add(k, p)
			case 2:
				if len(m.ready) > 0 {
					want := m.get()
					k, p, ok := q.Get(context.Background())
					Expect(ok).To(BeTrue(), by)
					Expect(modelItem{k, p}).To(Equal(want), by)
				}
			case 3:
				q.Done(k)
				m.done(k)
			}
			Expect(q.Len()).To(Equal(len(m.ready)), by)
		}
	})

	It("gives no key to two workers and loses none, with many workers", func() {
		const keys, workers, adds = 10, 4, 2000
		q := queue.New[int](queue.Options{})
		var added, seen [keys]atomic.Int64 // the number of the last add, and of the last that a worker knew of
		var busy [keys]atomic.Bool
		var twice atomic.Bool
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for {
					k, _, ok := q.Get(context.Background())
					if !ok {
						return
					}
					if busy[k].Swap(true) {
						twice.Store(true)
					}
					seen[k].Store(added[k].Load())
					busy[k].Store(false)
					q.Done(k)
				}
			})
		}
		var adders sync.WaitGroup
		for i := range 3 {
			adders.Go(func() {
				r := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(i)))
				for range adds {
					k := r.IntN(keys)
					added[k].Add(1)
					q.Add(k, queue.Priority(r.IntN(4)))
				}
			})
		}
		adders.Wait()
		for k := range keys {
			Eventually(seen[k].Load).Should(Equal(added[k].Load()))
		}
		q.Close()
		wg.Wait()
		Expect(twice.Load()).To(BeFalse())
	})
})
