package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

func TestLedger(t *testing.T) {
	RegisterFailHandler(Fail)
	cfg, rep := GinkgoConfiguration()
	cfg.RandomizeAllSpecs = true
	RunSpecs(t, "ledger", cfg, rep)
}

var _ = BeforeEach(func() {
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
})

// clock is set by hand.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
	id   string
}

func newClock(wall string) *clock {
	GinkgoHelper()
	t, err := time.Parse(time.RFC3339, wall)
	Expect(err).NotTo(HaveOccurred())
	return &clock{wall: t, boot: time.Hour, id: "boot-1"}
}

func (c *clock) Wall() time.Time     { c.mu.Lock(); defer c.mu.Unlock(); return c.wall }
func (c *clock) Boot() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.boot }
func (c *clock) BootID() string      { c.mu.Lock(); defer c.mu.Unlock(); return c.id }

// pass lets time pass on both clocks; step moves the wall clock alone.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot = c.wall.Add(d), c.boot+d
}
func (c *clock) step(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.wall = c.wall.Add(d) }

// reboot takes a while, after which the time since boot begins anew.
func (c *clock) reboot(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.boot, c.id = c.wall.Add(d), time.Second, c.id+"x"
}

// place is a directory for a log, and the clock of its host.
type place struct {
	dir   string
	clock *clock
}

func newPlace() place {
	GinkgoHelper()
	return place{GinkgoT().TempDir(), newClock("2026-11-27T10:00:00Z")}
}

func (p place) open(c ledger.Config) *ledger.Ledger {
	GinkgoHelper()
	l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	Expect(l.Configure(c)).To(Succeed())
	return l
}

// limits of the account of a principal ("" is a shared one) as a reader sees them now.
func (p place) limits(c ledger.Config, budget, principal string) []ledger.LimitReport {
	GinkgoHelper()
	r, err := ledger.OpenReader(p.dir)
	Expect(err).NotTo(HaveOccurred())
	defer r.Close()
	r.SetClock(p.clock)
	reports, err := r.Report(c, p.clock.Wall())
	Expect(err).NotTo(HaveOccurred())
	for _, b := range reports {
		for _, a := range b.Accounts {
			if b.Name == budget && a.Principal == principal {
				return a.Limits
			}
		}
	}
	return nil
}

func (p place) used(c ledger.Config, budget, principal string) int64 {
	GinkgoHelper()
	if l := p.limits(c, budget, principal); len(l) > 0 {
		return l[0].Used
	}
	return 0
}

// sound expects that the log verifies.
func (p place) sound(c ledger.Config) ledger.Findings {
	GinkgoHelper()
	f, err := ledger.Verify(p.dir, c)
	Expect(err).NotTo(HaveOccurred())
	Expect(f.Faults).To(BeEmpty())
	return f
}

// budget of one limit for all.
func budget(name string, m ledger.Measure, amount int64, w ledger.Window) ledger.Budget {
	return ledger.Budget{Name: name, All: true, Limits: []ledger.Limit{{Name: "l", Measure: m, Amount: amount, Window: w, OnExceeded: ledger.Deny}}}
}

func config(budgets ...ledger.Budget) ledger.Config { return ledger.Config{Budgets: budgets} }

// tokens is a call of agent-a.
func tokens(input, output int64) *ledger.Request {
	return &ledger.Request{ID: fmt.Sprint(input, "+", output), Principal: "agent-a", Gate: "main", Route: "chat", Model: "small", Input: input, Output: output}
}

func reserve(l *ledger.Ledger, r *ledger.Request) (*ledger.Reservation, *ledger.Exceeded) {
	GinkgoHelper()
	got, over, err := l.Reserve(context.Background(), r)
	Expect(err).NotTo(HaveOccurred())
	Expect(got == nil).To(Equal(over != nil))
	return got, over
}

// granted expects that a call goes on.
func granted(l *ledger.Ledger, r *ledger.Request) *ledger.Reservation {
	GinkgoHelper()
	got, over := reserve(l, r)
	Expect(over).To(BeNil())
	return got
}

// refused expects that it does not.
func refused(l *ledger.Ledger, r *ledger.Request) *ledger.Exceeded {
	GinkgoHelper()
	got, over := reserve(l, r)
	Expect(got == nil).To(BeTrue(), "it goes on")
	return over
}

// spend has a call take exactly so much.
func spend(l *ledger.Ledger, r *ledger.Request, input, output int64) {
	GinkgoHelper()
	Expect(granted(l, r).Settle(ledger.Usage{Input: input, Output: output}, nil)).To(BeFalse())
}
