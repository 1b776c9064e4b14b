package ledger_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

var (
	never  = ledger.Window{}
	minute = ledger.Window{Sliding: time.Minute}
	day    = ledger.Window{Calendar: ledger.Day, Zone: "Europe/Berlin"}
)

// charged is a limit without anything under way.
func charged(used int64) OmegaMatcher {
	return And(HaveField("Used", used), HaveField("Reserved", BeEquivalentTo(0)))
}

var _ = Describe("A call", func() {
	It("has set aside what it may take, is charged what it took, and gives back the rest at once", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 1000, never))
		l := p.open(c)
		r := granted(l, tokens(100, 400))
		Expect(r.Output()).To(BeEquivalentTo(400))
		Expect(r.Commit(true)).To(Succeed())
		Expect(p.limits(c, "all", "")[0]).To(And(HaveField("Used", BeEquivalentTo(0)), HaveField("Reserved", BeEquivalentTo(500))))
		Expect(r.Settle(ledger.Usage{Input: 90, Output: 10}, nil)).To(BeFalse())
		r.Cancel() // does nothing any more
		Expect(r.Settle(ledger.Usage{Input: 90, Output: 10}, nil)).To(BeFalse())
		Expect(p.limits(c, "all", "")[0]).To(And(charged(100), HaveField("Remaining", BeEquivalentTo(900))))
		Expect(p.sound(c).Calls).To(BeEquivalentTo(1))
	})

	It("is one of exactly 137 that a budget admits when 1,000 come at once", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 137*30+29, never))
		l := p.open(c)
		var admitted, denied atomic.Int64
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				defer GinkgoRecover()
				r := tokens(10, 20)
				r.MinOutput = 20
				got, over, err := l.Reserve(context.Background(), r)
				Expect(err).NotTo(HaveOccurred())
				if over != nil {
					denied.Add(1)
					return
				}
				admitted.Add(1)
				Expect(got.Commit(true)).To(Succeed())
				Expect(got.Settle(ledger.Usage{Input: 10, Output: 20}, nil)).To(BeFalse())
			})
		}
		all.Wait()
		Expect(admitted.Load()).To(BeEquivalentTo(137))
		Expect(denied.Load()).To(BeEquivalentTo(863))
		Expect(p.limits(c, "all", "")[0]).To(charged(137 * 30))
		p.sound(c)
	})

	It("is served by a small budget when it can do with less than it wants", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 300, never))
		l := p.open(c)
		r := tokens(100, 100_000) // the client sent no cap, and the route's is large
		r.MinOutput = 50
		got := granted(l, r)
		Expect(got.Output()).To(BeEquivalentTo(200))
		over := refused(l, r)
		Expect(over).To(And(HaveField("Budget", "all"), HaveField("Limit", "l"), HaveField("Measure", ledger.Tokens), HaveField("Need", BeEquivalentTo(150)),
			HaveField("Used", BeEquivalentTo(300)), HaveField("Amount", BeEquivalentTo(300)), HaveField("Reset", BeZero())))
		got.Settle(ledger.Usage{Input: 100, Output: 20}, nil)
		Expect(granted(l, r).Output()).To(BeEquivalentTo(80))
	})

	It("does not pin a budget with what it might take but does not", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 10_000, never))
		l := p.open(c)
		for range 50 {
			spend(l, tokens(10, 9000), 10, 20)
		}
		Expect(p.limits(c, "all", "")[0]).To(charged(1500))
	})

	It("wants at least one token where it wants any, and none where it wants none", func() {
		p := newPlace()
		l := p.open(config(budget("all", ledger.Tokens, 100, never)))
		refused(l, tokens(100, 10))
		Expect(granted(l, tokens(100, 0)).Output()).To(BeZero())
	})

	It("of many choices has output for each", func() {
		p := newPlace()
		l := p.open(config(budget("all", ledger.OutputTokens, 100, never)))
		r := tokens(5, 40)
		r.Choices, r.MinOutput = 3, 33
		Expect(granted(l, r).Output()).To(BeEquivalentTo(33))
		Expect(granted(l, tokens(5, 2)).Output()).To(BeEquivalentTo(1))
		refused(l, tokens(5, 2))
	})

	It("costs what the dearest backend takes until it is known which answered", func() {
		p := newPlace()
		c := config(budget("all", ledger.Cost, 2_000_000_000, never))
		l := p.open(c)
		cheap, dear := ledger.Price{InputPerMillion: 1e9}, ledger.Price{InputPerMillion: 10e9, OutputPerMillion: 100e9, PerCall: 5}
		r := tokens(50_000, 50_000)
		r.Prices = []ledger.Price{cheap, dear}
		got := granted(l, r)
		Expect(got.Output()).To(BeEquivalentTo(14_999), "1.5 left at 100 a million, less 5 billionths for the call")
		Expect(got.Settle(ledger.Usage{Input: 50_000, Output: 14_999}, &cheap)).To(BeFalse())
		Expect(p.limits(c, "all", "")[0]).To(charged(50_000_000))
	})

	It("never takes more than was set aside when its kinds of tokens are rounded up one by one", func() {
		p := newPlace()
		l := p.open(config(budget("all", ledger.Cost, 1_000_000, never)))
		odd := ledger.Price{InputPerMillion: 500_001, CachedPerMillion: 499_999, OutputPerMillion: 333_333, PerCall: 1}
		for input := range int64(6) {
			for cached := range input + 1 {
				r := tokens(input, 3)
				r.Prices = []ledger.Price{odd}
				got := granted(l, r)
				Expect(got.Settle(ledger.Usage{Input: input, Cached: cached, Output: got.Output()}, &odd)).To(BeFalse(), "%d, %d cached", input, cached)
			}
		}
	})

	It("is charged in full when the backend took more than it was allowed, and says so", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 100, never))
		l := p.open(c)
		Expect(granted(l, tokens(10, 20)).Settle(ledger.Usage{Input: 10, Output: 500}, nil)).To(BeTrue())
		Expect(p.limits(c, "all", "")[0]).To(And(charged(510), HaveField("Remaining", BeEquivalentTo(0))))
		Expect(refused(l, tokens(1, 1)).Reset).To(BeNumerically("<", 0))
	})

	It("that took nothing is charged nothing: an explicit zero is zero", func() {
		p := newPlace()
		c := config(budget("all", ledger.Tokens, 100, never), budget("calls", ledger.Requests, 10, never))
		l := p.open(c)
		Expect(granted(l, tokens(10, 20)).Settle(ledger.Usage{}, nil)).To(BeFalse())
		Expect(p.used(c, "all", "")).To(BeZero())
		Expect(p.used(c, "calls", "")).To(BeEquivalentTo(1), "it was answered all the same")
		granted(l, tokens(10, 20)).Cancel()
		Expect(p.used(c, "calls", "")).To(BeEquivalentTo(1))
	})

	It("that takes nothing of a measure passes where all of it is used", func() {
		p := newPlace()
		l := p.open(config(budget("money", ledger.Cost, 100, never), budget("tokens", ledger.Tokens, 1000, never)))
		dear := tokens(10, 10)
		dear.Prices = []ledger.Price{{PerCall: 150}}
		refused(l, dear)
		Expect(granted(l, tokens(10, 10)).Output()).To(BeEquivalentTo(10), "a free backend")
	})

	It("is refused when nothing is known of budgets, or it cannot be accounted for", func() {
		p := newPlace()
		l, err := ledger.Open(ledger.Options{Dir: p.dir, Clock: p.clock})
		Expect(err).NotTo(HaveOccurred())
		defer l.Close()
		_, _, err = l.Reserve(context.Background(), tokens(1, 1))
		Expect(err).To(MatchError(ledger.ErrNotConfigured))
		Expect(l.Configure(config())).To(Succeed())
		granted(l, tokens(1, 1))
		for _, r := range []*ledger.Request{tokens(-1, 1), tokens(1, -1), tokens(math.MaxInt64, 1), {Model: string(make([]byte, 2000))},
			{Prices: []ledger.Price{{PerCall: -1}}}, {Input: 1 << 39, Prices: []ledger.Price{{InputPerMillion: math.MaxInt64}}}} {
			_, _, err = l.Reserve(context.Background(), r)
			Expect(err).To(HaveOccurred())
		}
		Expect(granted(l, tokens(1, math.MaxInt64)).Output()).To(BeEquivalentTo(1<<40), "as much as anybody can have")
	})

	It("counts as one under way, whichever gate it came through", func() {
		p := newPlace()
		c := config(budget("few", ledger.Concurrency, 2, never))
		a, b := p.open(c), p.open(c)
		one := granted(a, tokens(1, 1))
		granted(b, tokens(1, 1))
		for _, l := range []*ledger.Ledger{a, b} {
			Expect(refused(l, tokens(1, 1))).To(And(HaveField("Reset", BeZero()), HaveField("Used", BeEquivalentTo(2))))
		}
		one.Settle(ledger.Usage{}, nil)
		granted(b, tokens(1, 1))
	})

	It("is told less left with each call, and when all of it comes back", func() {
		p := newPlace()
		l := p.open(config(budget("t", ledger.Tokens, 1000, day), budget("wide", ledger.Tokens, 5000, never), budget("r", ledger.Requests, 3, minute)))
		for i := range int64(3) {
			got := granted(l, tokens(10, 90))
			t, r := got.Left()
			Expect(t).To(Equal(ledger.Left{Known: true, Limit: 1000, Remaining: 900 - 100*i, Reset: 13 * time.Hour}))
			Expect(r).To(And(HaveField("Limit", BeEquivalentTo(3)), HaveField("Remaining", 2-i), HaveField("Reset", BeNumerically(">=", time.Minute))))
			got.Settle(ledger.Usage{Input: 10, Output: 90}, nil)
		}
		over := refused(l, tokens(10, 90))
		Expect(over).To(And(HaveField("Budget", "r"), HaveField("Reset", BeNumerically("~", 61*time.Second, time.Second))))
	})

	It("has names that a principal cannot fill the ledger with", func() {
		p := newPlace()
		l := p.open(config(budget("all", ledger.Requests, 1<<40, never)))
		r := tokens(1, 1)
		var err error
		for i := 0; err == nil && i < 10_001; i++ {
			r.Model = fmt.Sprint("model-", i)
			var got *ledger.Reservation
			if got, _, err = l.Reserve(context.Background(), r); err == nil {
				got.Cancel()
			}
		}
		Expect(err).To(MatchError(ContainSubstring("10000")))
		r.Principal = "agent-b"
		granted(l, r)
	})
})

var _ = Describe("Budgets", func() {
	team := func() ledger.Config {
		limit := func(n int64) []ledger.Limit {
			return []ledger.Limit{{Name: "l", Measure: ledger.Tokens, Amount: n, OnExceeded: ledger.Deny}}
		}
		return ledger.Config{Number: 1, Budgets: []ledger.Budget{
			{Name: "company", Labels: map[string]string{"nobody": "x"}, Limits: limit(1000)},
			{Name: "team", Parent: "company", Labels: map[string]string{"team": "a"}, Limits: limit(500)},
			{Name: "each", Parent: "team", Types: []string{"agent"}, Each: true, Limits: limit(300)},
			{Name: "large", Parent: "company", All: true, Models: []string{"large*"}, Limits: limit(100)},
		}, Principals: []ledger.Principal{{Name: "agent-a", Type: "agent", Labels: map[string]string{"team": "a"}}, {Name: "agent-b", Type: "agent"},
			{Name: "person", Type: "human", Labels: map[string]string{"team": "a"}}}}
	}
	by := func(principal, model string, n int64) *ledger.Request {
		return &ledger.Request{Principal: principal, Gate: "main", Route: "chat", Model: model, Input: n}
	}

	It("all hold that a call falls under, and all above them, each once", func() {
		p := newPlace()
		c := team()
		l := p.open(c)
		spend(l, by("agent-a", "large-1", 50), 50, 0)
		spend(l, by("agent-b", "small", 200), 200, 0)
		spend(l, by("person", "small", 100), 100, 0)
		spend(l, by("stranger", "small", 7), 7, 0)
		Expect(p.used(c, "each", "agent-a")).To(BeEquivalentTo(50))
		Expect(p.used(c, "each", "agent-b")).To(BeEquivalentTo(200))
		Expect(p.used(c, "team", "")).To(BeEquivalentTo(350), "agent-b by the budget below")
		Expect(p.used(c, "large", "")).To(BeEquivalentTo(50))
		Expect(p.used(c, "company", "")).To(BeEquivalentTo(350))
		Expect(refused(l, by("agent-b", "small", 101)).Budget).To(Equal("each"))
		Expect(refused(l, by("person", "small", 151)).Budget).To(Equal("team"))
		Expect(refused(l, by("stranger", "large-2", 51)).Budget).To(Equal("large"))
		p.sound(c)
	})

	It("name the limit whose reset is farthest", func() {
		p := newPlace()
		l := p.open(config(budget("a", ledger.Tokens, 10, minute), budget("b", ledger.Tokens, 10, day), budget("c", ledger.Tokens, 10, ledger.Window{Calendar: ledger.Hour})))
		spend(l, tokens(10, 0), 10, 0)
		Expect(refused(l, tokens(1, 0))).To(And(HaveField("Budget", "b"), HaveField("Reset", 13*time.Hour)))
	})

	It("say Downgrade only where none of those that are used up says Deny", func() {
		p := newPlace()
		cheap := budget("a", ledger.Tokens, 10, minute)
		cheap.Limits[0].OnExceeded, cheap.Limits[0].Route = ledger.Downgrade, "local"
		c := config(cheap, budget("b", ledger.Tokens, 20, day))
		l := p.open(c)
		spend(l, tokens(10, 0), 10, 0)
		Expect(refused(l, tokens(1, 0)).Downgrade).To(Equal("local"))
		Expect(refused(l, tokens(11, 0)).Downgrade).To(BeEmpty())
	})

	It("that are new, renamed or have another window know what was spent before", func() {
		p := newPlace()
		c := config(budget("old", ledger.Tokens, 1000, minute))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		p.clock.pass(30 * time.Second)
		spend(l, tokens(10, 0), 10, 0)
		p.clock.pass(40 * time.Second) // the first call left the minute
		two := config(budget("new", ledger.Tokens, 15, minute), budget("prepaid", ledger.Tokens, 120, never), budget("day", ledger.Tokens, 500, day))
		Expect(l.Configure(two)).To(Succeed())
		Expect([]int64{p.used(two, "new", ""), p.used(two, "prepaid", ""), p.used(two, "day", "")}).To(Equal([]int64{10, 110, 110}))
		Expect(refused(l, tokens(6, 0)).Budget).To(Equal("new"))
		spend(l, tokens(5, 0), 5, 0)
		two.Budgets[0].Limits[0].Amount = 30 // a raised limit holds at once
		Expect(l.Configure(two)).To(Succeed())
		Expect(refused(l, tokens(6, 0)).Budget).To(Equal("prepaid"))
		two.Budgets[1].Limits[0].Amount = 1 // and a lowered one
		Expect(l.Configure(two)).To(Succeed())
		Expect(refused(l, tokens(1, 0))).To(And(HaveField("Budget", "prepaid"), HaveField("Reset", BeNumerically("<", 0))))
		p.sound(two)
	})

	It("hold calls under way too, from the moment that they are made", func() {
		p := newPlace()
		l := p.open(config())
		r := granted(l, tokens(60, 40))
		c := config(budget("new", ledger.Tokens, 150, never))
		Expect(l.Configure(c)).To(Succeed())
		refused(l, tokens(51, 0))
		r.Settle(ledger.Usage{Input: 60}, nil)
		granted(l, tokens(90, 0))
	})

	It("by type and label know those that are gone as they were last", func() {
		p := newPlace()
		c := team()
		l := p.open(c)
		spend(l, by("agent-a", "small", 50), 50, 0)
		c.Number, c.Principals = 2, c.Principals[1:]
		Expect(l.Configure(c)).To(Succeed())
		Expect(p.used(c, "team", "")).To(BeEquivalentTo(50))
		Expect(p.used(c, "each", "agent-a")).To(BeEquivalentTo(50))
		c.Number, c.Principals = 3, append(c.Principals, ledger.Principal{Name: "agent-a", Type: "human"}) // re-created as somebody else
		Expect(l.Configure(c)).To(Succeed())
		Expect(p.used(c, "team", "")).To(BeZero())
		c.Number, c.Principals = 4, c.Principals[:2]
		Expect(p.used(c, "team", "")).To(BeZero(), "the log knows")
		Expect(l.Close()).To(Succeed())
		p.sound(c)
	})

	It("refuse a zone that the host does not know, and go on as they were", func() {
		p := newPlace()
		l := p.open(config(budget("a", ledger.Tokens, 10, never)))
		Expect(l.Configure(config(budget("a", ledger.Tokens, 10, ledger.Window{Calendar: ledger.Day, Zone: "Europe/Atlantis"})))).To(
			MatchError(ContainSubstring(`budget "a", limit "l": cannot use the time zone "Europe/Atlantis"`)))
		refused(l, tokens(11, 0))
	})

	It("forget at a reset, which running ledgers heed, and at nothing else", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, never), budget("b", ledger.Tokens, 1000, never), budget("d", ledger.Tokens, 1000, day))
		l := p.open(c)
		open := granted(l, tokens(10, 0))
		spend(l, tokens(90, 0), 90, 0)
		refused(l, tokens(1, 0))
		Expect(ledger.Reset(p.dir, "a", "paid again", p.clock)).To(Succeed())
		Expect(ledger.Reset(p.dir, "d", "it may", p.clock)).To(Succeed())
		Expect([]int64{p.used(c, "a", ""), p.used(c, "b", ""), p.used(c, "d", "")}).To(Equal([]int64{0, 90, 0}))
		spend(l, tokens(20, 0), 20, 0) // in the same second
		open.Settle(ledger.Usage{Input: 10}, nil)
		want := []int64{30, 120, 30}
		Expect([]int64{p.used(c, "a", ""), p.used(c, "b", ""), p.used(c, "d", "")}).To(Equal(want))
		p.clock.pass(10 * time.Minute)
		for range 3 { // neither restarts nor coarser facts bring back what was forgotten
			Expect(l.Compact()).To(Succeed())
			p.sound(c)
			Expect(l.Close()).To(Succeed())
			l = p.open(c)
			Expect([]int64{p.used(c, "a", ""), p.used(c, "b", ""), p.used(c, "d", "")}).To(Equal(want))
			refused(l, tokens(71, 0))
			p.clock.pass(3 * time.Hour)
		}
		p.clock.pass(70 * 24 * time.Hour)
		Expect(l.Compact()).To(Succeed())
		Expect(p.used(c, "a", "")).To(BeEquivalentTo(30), "70 days later")
		Expect(p.used(c, "b", "")).To(BeEquivalentTo(120))
	})
})

var _ = Describe("A window", func() {
	It("that slides gives back late and never early", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, minute))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		p.clock.pass(time.Minute - 1)
		over := refused(l, tokens(1, 0))
		Expect(over.Reset).To(And(BeNumerically(">", 0), BeNumerically("<=", time.Second+1)))
		p.clock.pass(over.Reset)
		granted(l, tokens(100, 0))
	})

	It("of the calendar begins anew at its edge, for calls and for reports, without anything that sweeps", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, day))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		Expect(refused(l, tokens(1, 0)).Reset).To(Equal(13*time.Hour), "midnight in Berlin")
		p.clock.pass(13*time.Hour - 1)
		refused(l, tokens(1, 0))
		p.clock.pass(1)
		Expect(p.limits(c, "a", "")[0]).To(And(charged(0), HaveField("Since", BeTemporally("==", p.clock.Wall())), HaveField("Reset", BeTemporally("==", p.clock.Wall().Add(24*time.Hour)))))
		granted(l, tokens(100, 0))
	})

	It("of the calendar does not begin twice when the clock goes back over its edge and forward again", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, day))
		l := p.open(c)
		spend(l, tokens(90, 0), 90, 0)
		p.clock.pass(13 * time.Hour)
		spend(l, tokens(70, 0), 70, 0)
		p.clock.step(-time.Hour)
		Expect(refused(l, tokens(11, 0))).To(And(HaveField("Used", BeEquivalentTo(90)), HaveField("Reset", time.Hour)))
		spend(l, tokens(5, 0), 5, 0)
		p.clock.step(time.Hour)
		Expect(refused(l, tokens(31, 0)).Used).To(BeEquivalentTo(70))
		spend(l, tokens(30, 0), 30, 0)
		p.clock.step(-time.Hour)
		Expect(refused(l, tokens(6, 0)).Used).To(BeEquivalentTo(95))
		p.sound(c)
	})

	It("that slides does not mind the wall clock", func() {
		p := newPlace()
		l := p.open(config(budget("a", ledger.Tokens, 100, minute)))
		spend(l, tokens(100, 0), 100, 0)
		for _, d := range []time.Duration{24 * time.Hour, -48 * time.Hour, 400 * 24 * time.Hour} {
			p.clock.step(d)
			refused(l, tokens(1, 0))
		}
		p.clock.pass(62 * time.Second)
		granted(l, tokens(100, 0))
	})

	DescribeTable("goes on over a restart and a reboot", func(downFor time.Duration, reboot, wallBack bool, fits bool) {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, ledger.Window{Sliding: time.Hour}))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		Expect(l.Close()).To(Succeed())
		if reboot {
			p.clock.reboot(downFor)
		} else {
			p.clock.pass(downFor)
		}
		if wallBack {
			p.clock.step(-24 * time.Hour)
		}
		l = p.open(c)
		if fits {
			granted(l, tokens(100, 0))
			return
		}
		refused(l, tokens(1, 0))
		p.clock.pass(62 * time.Minute)
		granted(l, tokens(100, 0))
	},
		Entry("a restart gives nothing back", time.Second, false, false, false),
		Entry("time in which nobody ran counts", 62*time.Minute, false, false, true),
		Entry("whatever the wall clock says", 62*time.Minute, false, true, true),
		Entry("a reboot gives nothing back", 40*time.Minute, true, false, false),
		Entry("time of a reboot counts by the wall clock", 62*time.Minute, true, false, true),
		Entry("unless that went back", 62*time.Minute, true, true, false),
	)

	It("of none is a prepaid amount that no restart, compaction and time gives back", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, never))
		l := p.open(c)
		spend(l, tokens(100, 0), 100, 0)
		for range 4 {
			p.clock.pass(40 * 24 * time.Hour)
			Expect(l.Compact()).To(Succeed())
			p.sound(c)
			Expect(l.Close()).To(Succeed())
			l = p.open(c)
			Expect(refused(l, tokens(1, 0)).Reset).To(BeNumerically("<", 0))
		}
	})
})

var _ = Describe("Generations", func() {
	It("decide after reading each other's calls", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, never))
		old, next := p.open(c), p.open(c)
		r := granted(old, tokens(60, 0))
		refused(next, tokens(41, 0))
		s := granted(next, tokens(40, 0))
		refused(old, tokens(1, 0))
		r.Settle(ledger.Usage{Input: 50}, nil)
		granted(next, tokens(10, 0)).Cancel()
		s.Cancel()
		Expect(old.Close()).To(Succeed())
		granted(next, tokens(50, 0))
		p.sound(c)
	})

	It("that died are charged in full for what they had open, once, and those that live are not", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 1000, never), budget("few", ledger.Concurrency, 3, never))
		dead, lives := p.open(c), p.open(c)
		granted(dead, tokens(60, 40))
		granted(dead, tokens(5, 0)).Settle(ledger.Usage{Input: 5}, nil)
		r := granted(lives, tokens(200, 0))
		dead.Drop()
		for range 2 {
			next := p.open(c)
			Expect(p.limits(c, "a", "")[0]).To(And(HaveField("Used", BeEquivalentTo(105)), HaveField("Reserved", BeEquivalentTo(200))))
			Expect(next.Close()).To(Succeed())
		}
		r.Settle(ledger.Usage{Input: 1}, nil)
		Expect(p.limits(c, "a", "")[0]).To(charged(106))
		p.sound(c)
	})

	It("that died while others go on make room where it is needed", func() {
		p := newPlace()
		c := config(budget("few", ledger.Concurrency, 1, never))
		dead, lives := p.open(c), p.open(c)
		granted(dead, tokens(1, 1))
		refused(lives, tokens(1, 1))
		dead.Drop()
		granted(lives, tokens(1, 1)).Cancel()
		names, err := os.ReadDir(filepath.Join(p.dir, "generations"))
		Expect(err).NotTo(HaveOccurred())
		Expect(names).To(HaveLen(1), "of those that live")
	})

	It("follow each other through compactions, with what is open", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 1000, day))
		a, b := p.open(c), p.open(c)
		r := granted(b, tokens(100, 0))
		reader, err := ledger.OpenReader(p.dir)
		Expect(err).NotTo(HaveOccurred())
		defer reader.Close()
		reader.SetClock(p.clock)
		for i := range 5 {
			spend(a, tokens(10, 0), 10, 0)
			Expect(a.Compact()).To(Succeed())
			if i == 2 {
				Expect(reader.Refresh()).To(BeTrue())
			}
		}
		Expect(filepath.Glob(filepath.Join(p.dir, "*.log"))).To(HaveLen(2), "the present one, and what the book before tells again")
		r.Settle(ledger.Usage{Input: 50}, nil)
		refused(b, tokens(901, 0))
		Expect(reader.Refresh()).To(BeTrue())
		reports, err := reader.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		Expect(reports[0].Accounts[0].Limits[0]).To(charged(100))
		p.sound(c)
	})
})
