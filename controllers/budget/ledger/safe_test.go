package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

// faulty is a clock that panics when it is told to, as a fault in the ledger would.
type faulty struct {
	*clock
	armed atomic.Bool
}

func (f *faulty) Wall() time.Time {
	if f.armed.Load() {
		panic("a fault")
	}
	return f.clock.Wall()
}

var _ = Describe("A fault in the ledger", func() {
	It("refuses all who waited for the turn, keeps nobody waiting, and what was in force goes on", func() {
		p := newPlace()
		c := config(queued("t", ledger.Tokens, 100, never, time.Minute))
		at := &faulty{clock: p.clock}
		l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: at})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		Expect(l.Configure(c)).To(Succeed())
		one := granted(l, tokens(60, 0))
		var failed atomic.Int64
		var all sync.WaitGroup
		ask := func() {
			all.Go(func() {
				defer GinkgoRecover()
				_, _, err := l.Reserve(context.Background(), tokens(50, 0)) // waits, or is new
				Expect(err).To(MatchError(And(ContainSubstring("the ledger failed"), ContainSubstring("a fault"))))
				failed.Add(1)
			})
		}
		for range 4 {
			ask()
		}
		Eventually(l.Waiting).Should(Equal(4))
		at.armed.Store(true)
		for range 8 {
			ask()
		}
		all.Wait()
		Expect(failed.Load()).To(BeEquivalentTo(12))
		Expect(l.Configure(config(budget("t", ledger.Tokens, 1000, never)))).To(MatchError(ContainSubstring("the ledger failed")))
		one.Settle(ledger.Usage{Input: 55}, nil) // it cannot be written now
		at.armed.Store(false)
		got, over, err := l.Reserve(context.Background(), tokens(45, 0))
		Expect(err).NotTo(HaveOccurred())
		Expect(over).To(BeNil())
		Expect(p.limits(c, "t", "")[0]).To(And(HaveField("Used", BeEquivalentTo(55)), HaveField("Reserved", BeEquivalentTo(45))), "nothing of those that failed is left")
		got.Cancel()
		at.armed.Store(true)
		Expect(l.Close()).To(MatchError(ContainSubstring("the ledger failed")))
		at.armed.Store(false)
		p.sound(c)
	})
})

var _ = Describe("A log that is large", func() {
	It("is made durable before it is ended without anybody waiting for that", func() {
		p := newPlace()
		c := config(budget("t", ledger.Requests, 1_000_000, never))
		l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock, SegmentBytes: 3 << 20})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		Expect(l.Configure(c)).To(Succeed())
		begun, goOn := make(chan struct{}, 100), make(chan struct{})
		let := sync.OnceFunc(func() { close(goOn) })
		DeferCleanup(let)
		l.SyncWith(func(f *os.File) error {
			begun <- struct{}{}
			<-goOn
			return ledger.Fdatasync(f)
		})
		r := tokens(1, 0)
		r.ID = strings.Repeat("x", 1000)
		for range 3 << 10 {
			granted(l, r).Cancel()
		}
		Eventually(begun).Should(Receive())
		for range 100 { // while the disk is at work
			granted(l, r).Cancel()
		}
		Expect(filepath.Join(p.dir, fmt.Sprintf("%010d.log", 2))).NotTo(BeAnExistingFile(), "nothing may be in the next file before")
		let()
		Eventually(func() string {
			granted(l, r).Cancel()
			return filepath.Join(p.dir, fmt.Sprintf("%010d.book", 2))
		}).Should(BeAnExistingFile())
		p.sound(c)
	})

	It("that the disk did not take is written anew before a call goes on", func() {
		p := newPlace()
		c := config(budget("t", ledger.Requests, 1_000_000, never))
		l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock, SegmentBytes: 3 << 20})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		Expect(l.Configure(c)).To(Succeed())
		var fails atomic.Int64
		l.SyncWith(func(f *os.File) error {
			if fails.Add(1) == 1 {
				return errors.New("lost")
			}
			return ledger.Fdatasync(f)
		})
		r := tokens(1, 0)
		r.ID = strings.Repeat("x", 1000)
		for range 3 << 10 {
			granted(l, r).Cancel()
		}
		Eventually(func() string {
			granted(l, r).Cancel()
			return filepath.Join(p.dir, fmt.Sprintf("%010d.book", 2))
		}).Should(BeAnExistingFile())
		Expect(granted(l, r).Commit(true)).To(Succeed())
		p.sound(c)
	})
})
