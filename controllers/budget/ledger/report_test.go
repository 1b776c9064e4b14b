package ledger_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
)

var _ = Describe("A reader", func() {
	call := func(l *ledger.Ledger, who, route, model string, used int64) {
		GinkgoHelper()
		spend(l, &ledger.Request{Principal: who, Gate: "main", Route: route, Model: model, Input: used}, used, 0)
	}

	It("of a directory that is not there knows of no facts, until there are some", func() {
		p := newPlace()
		p.dir = filepath.Join(p.dir, "ledger")
		c := config(budget("a", ledger.Tokens, 100, never))
		r, err := ledger.OpenReader(p.dir)
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		Expect(r.Refresh()).To(BeFalse())
		reports, err := r.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		Expect(reports[0].Accounts).To(ConsistOf(HaveField("Limits", ConsistOf(HaveField("Remaining", BeEquivalentTo(100))))), "a shared account is always there")
		Expect(ledger.Verify(p.dir, c)).To(BeZero())
		_, err = os.Stat(p.dir)
		Expect(err).To(MatchError(os.ErrNotExist), "it makes nothing")
		l := p.open(c)
		call(l, "a", "r", "m", 10)
		Expect(r.Refresh()).To(BeTrue())
		Expect(r.Refresh()).To(BeFalse())
		reports, err = r.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		Expect(reports[0].Accounts[0].Limits[0]).To(charged(10))
	})

	It("tells accounts with the least left first, who spends most, what burns, when it runs out, and thresholds", func() {
		p := newPlace()
		b := budget("each", ledger.Tokens, 1000, day)
		b.Each, b.Thresholds = true, []int32{10, 50, 90}
		c := config(b, budget("all", ledger.Tokens, 10_000, ledger.Window{Calendar: ledger.Month}), budget("prepaid", ledger.Tokens, 2000, never))
		l := p.open(c)
		call(l, "a", "r", "m", 300)
		p.clock.pass(2 * time.Hour)
		call(l, "a", "r", "m", 200)
		call(l, "b", "r", "m", 60)
		call(l, "b", "r", "m", 20)
		granted(l, &ledger.Request{Principal: "c", Gate: "main", Route: "r", Model: "m", Input: 1})
		r, err := ledger.OpenReader(p.dir)
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		r.SetClock(p.clock)
		reports, err := r.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		midnight := time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC)
		each := reports[0].Accounts
		Expect(each).To(HaveLen(3))
		Expect([]string{each[0].Principal, each[1].Principal, each[2].Principal}).To(Equal([]string{"a", "b", "c"}))
		a := each[0].Limits[0]
		a.Since, a.Reset, a.RunsOut = a.Since.UTC(), a.Reset.UTC(), a.RunsOut.UTC()
		Expect(a).To(Equal(ledger.LimitReport{Name: "l", Measure: ledger.Tokens, Amount: 1000, Used: 500, Remaining: 500, Since: midnight.Add(-24 * time.Hour), Reset: midnight,
			BurnPerHour: 200, RunsOut: p.clock.Wall().Add(150 * time.Minute), Thresholds: []int32{10, 50}}))
		Expect(each[1].Limits[0]).To(And(HaveField("BurnPerHour", BeEquivalentTo(80)), HaveField("RunsOut", BeZero()), HaveField("Thresholds", BeEmpty())), "after midnight")
		Expect(each[2].Limits[0]).To(HaveField("Reserved", BeEquivalentTo(1)))
		Expect(reports[1].TopSpenders).To(Equal([]ledger.Spender{{Principal: "a", Used: 500, Requests: 2}, {Principal: "b", Used: 80, Requests: 2}}))
		Expect(reports[2].Accounts[0].Limits[0]).To(And(HaveField("Since", BeZero()), HaveField("Reset", BeZero()), HaveField("RunsOut", Not(BeZero()))))
		Expect(ledger.Reset(p.dir, "each", "", p.clock)).To(Succeed())
		Expect(r.Refresh()).To(BeTrue())
		reports, err = r.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		Expect(reports[0].Accounts).To(ConsistOf(HaveField("Principal", "c")))
		Expect(reports[0].TopSpenders).To(BeEmpty())
		Expect(reports[1].TopSpenders).To(HaveLen(2))
	})

	It("tells the history by principal, route or model, of all or of a budget", func() {
		p := newPlace()
		models := budget("small", ledger.Tokens, 10_000, never)
		models.Models = []string{"small*"}
		c := config(models)
		l := p.open(c)
		begun := p.clock.Wall()
		call(l, "a", "chat", "small-1", 10)
		p.clock.pass(time.Minute)
		call(l, "b", "chat", "large", 5)
		p.clock.pass(time.Minute)
		call(l, "a", "code", "small-2", 7)
		r, err := ledger.OpenReader(p.dir)
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		_, err = r.Report(c, p.clock.Wall())
		Expect(err).NotTo(HaveOccurred())
		in := func(n int64) ledger.Amounts { return ledger.Amounts{Input: n, Requests: 1} }
		q := ledger.HistoryQuery{By: ledger.ByPrincipal, Since: begun, Until: begun.Add(3 * time.Minute), Step: time.Minute}
		Expect(r.History(q)).To(Equal([]ledger.HistoryRow{
			{Name: "a", Total: ledger.Amounts{Input: 17, Requests: 2}, Steps: []ledger.Amounts{in(10), {}, in(7)}},
			{Name: "b", Total: in(5), Steps: []ledger.Amounts{{}, in(5), {}}}}))
		q.By = ledger.ByRoute
		Expect(r.History(q)).To(ConsistOf(HaveField("Name", "main/chat"), HaveField("Name", "main/code")))
		q.By, q.Budget = ledger.ByModel, "small"
		Expect(r.History(q)).To(ConsistOf(HaveField("Name", "small-1"), HaveField("Name", "small-2")))
		q.Since = begun.Add(time.Second)
		Expect(r.History(q)).To(ConsistOf(HaveField("Name", "small-2")))
		q.Step = time.Nanosecond
		_, err = r.History(q)
		Expect(err).To(MatchError(ContainSubstring("10000 steps")))
	})

	It("keeps facts by the second for an hour, by the minute for two days, and by the quarter of an hour for two months", func() {
		p := newPlace()
		c := config()
		l := p.open(c)
		for range 600 {
			call(l, "a", "r", "m", 1)
			p.clock.pass(30 * time.Minute)
		}
		book := func() int64 {
			names, err := filepath.Glob(filepath.Join(p.dir, "*.book"))
			Expect(err).NotTo(HaveOccurred())
			st, err := os.Stat(names[len(names)-1])
			Expect(err).NotTo(HaveOccurred())
			return st.Size()
		}
		Expect(l.Compact()).To(Succeed())
		full := book()
		p.clock.pass(63 * 24 * time.Hour)
		call(l, "a", "r", "m", 1)
		Expect(l.Compact()).To(Succeed())
		Expect(full).To(BeNumerically(">", 20*book()), "one sum")
		Expect(p.sound(c).Total).To(Equal(ledger.Amounts{Input: 601, Requests: 601}))
	})
})

var _ = Describe("Opening", func() {
	It("sweeps away what a compaction left that was killed, when nobody else runs", func() {
		p := newPlace()
		left := filepath.Join(p.dir, "0000000002.book.123.tmp")
		Expect(os.WriteFile(left, []byte("half"), 0o600)).To(Succeed())
		Expect(p.open(config()).Close()).To(Succeed())
		Expect(left).NotTo(BeAnExistingFile())
	})

	It("goes on where a process was killed in the middle of beginning a new file", func() {
		p := newPlace()
		c := config(budget("a", ledger.Tokens, 100, never))
		l := p.open(c)
		spend(l, tokens(40, 0), 40, 0)
		Expect(l.Compact()).To(Succeed())
		spend(l, tokens(1, 0), 1, 0)
		Expect(l.Close()).To(Succeed())
		Expect(os.Remove(filepath.Join(p.dir, "0000000002.book"))).To(Succeed()) // killed before it was there
		l = p.open(c)
		refused(l, tokens(60, 0))
		Expect(l.Close()).To(Succeed())
		p.sound(c)

		header, err := os.ReadFile(filepath.Join(p.dir, "0000000002.log"))
		Expect(err).NotTo(HaveOccurred())
		other := newPlace() // killed before the file before it named it
		l = other.open(c)
		spend(l, tokens(40, 0), 40, 0)
		Expect(l.Close()).To(Succeed())
		Expect(os.WriteFile(filepath.Join(other.dir, "0000000002.log"), header[:24], 0o600)).To(Succeed())
		l = other.open(c)
		Expect(l.Compact()).To(Succeed())
		refused(l, tokens(61, 0))
		Expect(l.Close()).To(Succeed())
		other.sound(c)
		Expect(os.ReadFile(filepath.Join(other.dir, "0000000002.book"))).NotTo(BeEmpty())
	})
})
