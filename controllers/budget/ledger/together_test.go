package ledger_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

var _ = Describe("Two gates at once", func() {
	It("with many callers each, while files change, a reader follows, and budgets are made anew and reset, count each call once and overspend nothing", func() {
		p := newPlace()
		const limit = 3000
		c := ledger.Config{Number: 1, Budgets: []ledger.Budget{budget("all", ledger.Tokens, 1<<40, never), budget("few", ledger.Concurrency, 12, never), budget("small", ledger.Tokens, limit, never)}}
		var gates []*ledger.Ledger
		for range 2 {
			l, err := ledger.Open(ledger.Options{Dir: p.dir, SegmentBytes: 8 << 10})
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(l.Close)
			Expect(l.Configure(c)).To(Succeed())
			gates = append(gates, l)
		}
		rounds := 400
		if testing.Short() {
			rounds = 100
		}
		var inFlight, most, served, calls atomic.Int64
		var all, others sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				defer GinkgoRecover()
				random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(i)))
				for range rounds {
					got, over, err := gates[i%2].Reserve(context.Background(), tokens(random.Int64N(20), 1+random.Int64N(20)))
					Expect(err).NotTo(HaveOccurred())
					if over != nil {
						if over.Budget == "small" && over.Reset < 0 && random.IntN(50) == 0 {
							Expect(ledger.Reset(p.dir, "small", "again", nil)).To(Succeed())
						}
						continue
					}
					n := inFlight.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					Expect(got.Commit(random.IntN(4) == 0)).To(Succeed())
					inFlight.Add(-1)
					if random.IntN(5) == 0 {
						got.Cancel()
						continue
					}
					used := random.Int64N(got.Output() + 1)
					served.Add(used)
					calls.Add(1)
					got.Settle(ledger.Usage{Output: used}, nil)
				}
			})
		}
		stop := make(chan struct{})
		others.Go(func() {
			defer GinkgoRecover()
			r, err := ledger.OpenReader(p.dir)
			Expect(err).NotTo(HaveOccurred())
			defer r.Close()
			for config := c; ; config.Number++ {
				_, err := r.Refresh()
				Expect(err).NotTo(HaveOccurred())
				reports, err := r.Report(config, p.clock.Wall())
				Expect(err).NotTo(HaveOccurred())
				small := reports[2].Accounts[0].Limits[0]
				Expect(small.Used + small.Reserved).To(BeNumerically("<=", limit))
				Expect(gates[config.Number%2].Configure(config)).To(Succeed())
				found, err := ledger.Verify(p.dir, config)
				Expect(err).NotTo(HaveOccurred())
				Expect(found.Faults).To(BeEmpty())
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		all.Wait()
		close(stop)
		others.Wait()
		for _, l := range gates {
			Expect(l.Close()).To(Succeed())
		}
		found := p.sound(c)
		Expect(found.Total).To(Equal(ledger.Amounts{Output: served.Load(), Requests: calls.Load()}))
		Expect(found.Open).To(BeZero())
		Expect(most.Load()).To(And(BeNumerically(">", 1), BeNumerically("<=", 12)))
		Expect(calls.Load()).To(BeNumerically(">", 100))
	})
})
