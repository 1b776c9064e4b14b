package budget

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// aBudget loads a budget named agents from its spec in flow style.
func aBudget(spec string) *specs.TokenBudget {
	GinkgoHelper()
	docs, faults := specs.Load("a.yaml", []byte("apiVersion: mirroros.dev/v1alpha1\nkind: TokenBudget\nmetadata: {name: agents}\nspec: "+spec+"\n"))
	Expect(faults).To(BeEmpty())
	b := specs.Copy(docs[0].Object).(*specs.TokenBudget)
	b.Generation = 1
	return b
}

// The limits of the tests' budget and the windows that they have.
const limits = `{principals: {types: [Agent]}, account: Each, thresholds: [50, 80], limits: [{name: hourly, tokens: 1k, window: {sliding: 1h}}, ` +
	`{name: day, cost: "2.00", currency: EUR, window: {calendar: Day}}, {name: once, requests: 10}, {name: parallel, concurrency: 2}]}`

var windows = map[string]ledger.Window{"hourly": {Sliding: time.Hour}, "day": {Calendar: ledger.Day, Zone: "UTC"}, "once": {}, "parallel": {}}

// account of a principal that has used so much of each limit.
func account(principal string, hourly, day, once, parallel int64) ledger.AccountReport {
	limit := func(name string, m ledger.Measure, amount, used int64) ledger.LimitReport {
		l := ledger.LimitReport{Name: name, Measure: m, Amount: amount, Used: used, Remaining: max(0, amount-used)}
		if used > 0 {
			switch name {
			case "hourly":
				l.Since, l.Reset = noon.Add(-time.Hour), noon.Add(time.Minute)
			case "day":
				l.Since, l.Reset = noon.Add(-12*time.Hour), noon.Add(12*time.Hour)
			}
		}
		for _, t := range []int32{50, 80} {
			if used*100 >= amount*int64(t) {
				l.Thresholds = append(l.Thresholds, t)
			}
		}
		return l
	}
	return ledger.AccountReport{Principal: principal, Limits: []ledger.LimitReport{limit("hourly", ledger.Tokens, 1000, hourly), limit("day", ledger.Cost, 2e9, day),
		limit("once", ledger.Requests, 10, once), limit("parallel", ledger.Concurrency, 2, parallel)}}
}

// exceeded are seven calls that did not fit into a limit, the last at a time.
func exceeded(limit, principal string, last time.Time) map[control.BudgetAccount]control.BudgetCount {
	a := control.BudgetAccount{Budget: "agents", Limit: limit, Principal: principal}
	return map[control.BudgetAccount]control.BudgetCount{a: {BudgetAccount: a, Exceeded: 7, Last: last}}
}

// world is a budget with a gate that holds calls to it, and what accounts have used.
func world(change func(*observed), accounts ...ledger.AccountReport) *observed {
	c := ledger.Config{Number: 3, Budgets: []ledger.Budget{{Name: "agents"}}}
	for _, name := range []string{"hourly", "day", "once", "parallel"} {
		c.Budgets[0].Limits = append(c.Budgets[0].Limits, ledger.Limit{Name: name, Window: windows[name]})
	}
	o := &observed{Now: noon, Budgets: []*specs.TokenBudget{aBudget(limits)}, Absent: map[string][]string{}, Forget: map[string]bool{},
		Held: Held{Config: c, Generations: map[string]int64{"agents": 1}}, Running: []control.Running{{Config: 1, Budgets: 3}},
		Reports: map[string]*ledger.BudgetReport{"agents": {Name: "agents", Accounts: accounts}}}
	if change != nil {
		change(o)
	}
	return o
}

var _ = DescribeTable("deciding whether the gates hold to a budget", func(change func(*observed), status, reason string) {
	Expect(decide(world(change)).Statuses[0].Conditions).To(reconciletest.HaveCondition("Ready", status, reason))
},
	Entry("they do", nil, "True", "Serving"),
	Entry("no gate tells", func(o *observed) { o.Running = nil }, "Unknown", "WaitingForGate"),
	Entry("only a gate tells that takes nobody any more", func(o *observed) { o.Running[0].Draining = true }, "Unknown", "WaitingForGate"),
	Entry("a gate runs earlier budgets", func(o *observed) { o.Running[0].Budgets = 2 }, "False", "SnapshotPending"),
	Entry("one of two gates runs earlier budgets", func(o *observed) { o.Running = append(o.Running, control.Running{Budgets: 2}) }, "False", "SnapshotPending"),
	Entry("a gate that drains runs earlier budgets", func(o *observed) { o.Running = append(o.Running, control.Running{Budgets: 2, Draining: true}) }, "True", "Serving"),
	Entry("a gate cannot load them", func(o *observed) { o.Running[0].Budgets, o.Running[0].Error = 2, "no such zone" }, "False", "SnapshotRefused"),
	Entry("the ledger does not work", func(o *observed) { o.Running[0].LedgerError = "no room" }, "False", "LedgerUnreadable"),
	Entry("the disk is full", func(o *observed) { o.Held.Unwritten = "cannot write" }, "False", "SnapshotUnwritten"),
	Entry("it was edited a moment ago", func(o *observed) { o.Budgets[0].Generation = 2 }, "False", "SnapshotPending"),
	Entry("it was made a moment ago", func(o *observed) { o.Held.Generations = nil }, "False", "SnapshotPending"),
	Entry("its parent is missing", func(o *observed) { o.Absent["agents"] = []string{"tokenbudget/house"} }, "False", "RefsNotFound"),
)

var _ = DescribeTable("deciding how near a budget is to its limits", func(a ledger.AccountReport, near, spent string) {
	st := decide(world(nil, a)).Statuses[0]
	reason := func(status, yes string) string {
		if status == "True" {
			return yes
		}
		return "WithinLimits"
	}
	Expect(st.Conditions).To(reconciletest.HaveCondition("NearLimit", near, reason(near, "BudgetNearLimit")))
	Expect(st.Conditions).To(reconciletest.HaveCondition("Exhausted", spent, reason(spent, "BudgetExhausted")))
},
	Entry("nothing is used", account("a", 0, 0, 0, 0), "False", "False"),
	Entry("less than a threshold is used", account("a", 499, 0, 0, 0), "False", "False"),
	Entry("a threshold is reached", account("a", 500, 0, 0, 0), "True", "False"),
	Entry("little is left", account("a", 991, 0, 0, 0), "True", "False"),
	Entry("all is used", account("a", 1000, 0, 0, 0), "False", "True"),
	Entry("more than all is used", account("a", 1200, 0, 0, 0), "False", "True"),
	Entry("one request is left", account("a", 0, 0, 9, 0), "True", "False"),
	Entry("no request is left", account("a", 0, 0, 10, 0), "False", "True"),
	Entry("one limit is near and another is used up", account("a", 600, 2e9, 0, 0), "True", "True"),
	Entry("as many calls as may be are under way", account("a", 0, 0, 0, 2), "False", "False"),
)

var _ = Describe("deciding", func() {
	It("tells what is used in the words of people, of who has the least left", func() {
		a := account("coder", 600, 1_500_000_000, 0, 1)
		a.Limits[0].Reserved, a.Limits[0].Remaining, a.Limits[0].BurnPerHour, a.Limits[0].RunsOut = 100, 300, 600, noon.Add(40*time.Minute)
		o := world(nil, a, account("scout", 0, 0, 0, 0))
		o.Reports["agents"].TopSpenders = []ledger.Spender{{Principal: "coder", Used: 600, Requests: 3}, {Principal: "b", Used: 1}, {Principal: "c", Used: 1},
			{Principal: "d", Used: 1}, {Principal: "e", Used: 1}, {Principal: "f", Used: 1}}
		d := decide(o)
		st := d.Statuses[0]
		Expect(st.Limits).To(HaveLen(4))
		Expect(st.Limits[0]).To(Equal(specs.BudgetLimitStatus{Name: "hourly", Measure: "tokens", Principal: "coder", Limit: "1000", Used: "600", Reserved: "100", Remaining: "300",
			Reset: stamp(noon.Add(time.Minute)), BurnPerHour: "600", RunsOut: stamp(noon.Add(40 * time.Minute))}))
		Expect(st.Limits[1]).To(HaveField("Used", "1.50"))
		Expect(st.Limits[1]).To(HaveField("Limit", "2.00"))
		Expect(st.Limits[1]).To(HaveField("Currency", "EUR"))
		Expect(st.Accounts).To(BeEquivalentTo(1))
		Expect(st.TopSpenders).To(HaveLen(5))
		Expect(st.TopSpenders[0]).To(Equal(specs.BudgetSpender{Principal: "coder", Used: "600", Requests: 3}))
		Expect(st.AsOf).To(Equal(stamp(noon)))
		Expect(d.Result.RequeueAfter).To(Equal(time.Minute))
	})

	It("says the same as long as nothing else is so, and looks no more while nothing is used", func() {
		o := world(nil)
		first := decide(o)
		Expect(first.Result.RequeueAfter).To(BeZero())
		Expect(first.Statuses[0].Limits[1]).To(HaveField("Remaining", "2.00"))
		o.Budgets[0].Status = first.Statuses[0]
		o.Now = noon.Add(time.Hour)
		Expect(decide(o).Statuses[0]).To(Equal(first.Statuses[0]))
	})

	It("keeps what was known when nothing can be read, and says so", func() {
		o := world(nil, account("coder", 600, 0, 0, 0))
		o.Budgets[0].Status = decide(o).Statuses[0]
		o.Reports, o.Unread = nil, "cannot read the ledger: permission denied"
		d := decide(o)
		Expect(d.News).To(BeEmpty())
		Expect(d.Statuses[0].Limits).To(Equal(o.Budgets[0].Status.Limits))
		Expect(d.Statuses[0].Notified).To(Equal(o.Budgets[0].Status.Notified))
		Expect(d.Statuses[0].Conditions).To(reconciletest.HaveCondition("Exhausted", "Unknown", "LedgerUnreadable"))
		Expect(d.Statuses[0].Conditions).To(reconciletest.HaveCondition("NearLimit", "Unknown", "LedgerUnreadable"))
	})

	It("counts a limit as used up for a minute after a call that did not fit into it, and for who it was", func() {
		o := world(nil, account("coder", 300, 0, 0, 0), account("scout", 300, 0, 0, 0))
		o.Exceeded = exceeded("hourly", "coder", noon.Add(-20*time.Second))
		o.Exceeded[control.BudgetAccount{Budget: "other", Limit: "hourly", Principal: "coder"}] = control.BudgetCount{Exceeded: 100, Last: noon}
		d := decide(o)
		Expect(d.Statuses[0].Conditions).To(ContainElement(SatisfyAll(HaveField("Type", "Exhausted"), HaveField("Status", metav1.ConditionTrue), HaveField("Message", "used up: hourly of coder"))))
		Expect(d.Statuses[0].Exceeded).To(BeEquivalentTo(7))
		Expect(d.Statuses[0].LastExceeded).To(Equal(stamp(noon.Add(-20 * time.Second))))
		Expect(d.Result.RequeueAfter).To(Equal(40 * time.Second))
		o.Budgets[0].Status = d.Statuses[0]
		o.Now = noon.Add(40 * time.Second)
		d = decide(o)
		Expect(d.Statuses[0].Conditions).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"))
		By("and remembers when, after the gate that told is gone")
		o.Exceeded = nil
		Expect(decide(o).Statuses[0].LastExceeded).To(Equal(stamp(noon.Add(-20 * time.Second))))
		Expect(decide(o).Statuses[0].Exceeded).To(BeZero())
	})

	It("does not believe a gate whose clock is ahead", func() {
		o := world(nil, account("coder", 300, 0, 0, 0))
		o.Exceeded = exceeded("hourly", "coder", noon.Add(time.Hour))
		Expect(decide(o).Statuses[0].Conditions).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"))
	})

	It("looks again when the window that is nearest moves on, at the earliest in a second", func() {
		a := account("coder", 1, 0, 0, 0)
		a.Limits[0].Reset = noon.Add(time.Millisecond)
		Expect(decide(world(nil, a)).Result.RequeueAfter).To(Equal(time.Second))
		Expect(decide(world(nil, account("coder", 0, 1, 0, 0))).Result.RequeueAfter).To(Equal(12 * time.Hour))
		Expect(decide(world(nil, account("coder", 0, 0, 1, 0))).Result.RequeueAfter).To(BeZero())
	})
})

var _ = Describe("telling of thresholds", func() {
	var o *observed
	// next is another look, after a while, with what was told before.
	next := func(after time.Duration, accounts ...ledger.AccountReport) []string {
		o.Now = o.Now.Add(after)
		o.Reports["agents"].Accounts = accounts
		d := decide(o)
		o.Budgets[0].Status = d.Statuses[0]
		o.Forget = map[string]bool{}
		var out []string
		for _, n := range d.News {
			out = append(out, n.reason+": "+n.message)
		}
		return out
	}
	BeforeEach(func() { o = world(nil) })

	It("tells of each once, and of the highest when it goes fast", func() {
		Expect(next(0, account("coder", 499, 0, 0, 0))).To(BeEmpty())
		Expect(next(time.Second, account("coder", 520, 0, 0, 0))).To(Equal([]string{
			"BudgetNearLimit: limit hourly of coder has reached 50 %: 520 of 1000 tokens; more from 2026-11-27T12:01:00Z on"}))
		Expect(next(time.Second, account("coder", 700, 0, 0, 0))).To(BeEmpty())
		Expect(next(time.Second, account("coder", 1000, 0, 0, 0))).To(ConsistOf(HavePrefix("BudgetExhausted: limit hourly of coder has no room for a call: 1000 of 1000 tokens")))
		Expect(next(time.Second, account("coder", 1000, 0, 0, 0), account("scout", 900, 0, 0, 0))).To(ConsistOf(HavePrefix("BudgetNearLimit: limit hourly of scout has reached 80 %")))
	})

	It("tells again in the next window, and not when use goes up and down about a threshold", func() {
		Expect(next(0, account("coder", 520, 0, 0, 0))).To(HaveLen(1))
		Expect(next(time.Minute, account("coder", 480, 0, 0, 0))).To(BeEmpty())
		Expect(next(time.Minute, account("coder", 520, 0, 0, 0))).To(BeEmpty())
		Expect(next(time.Hour, account("coder", 520, 0, 0, 0))).To(HaveLen(1))
		By("and of a calendar's window, by when it began")
		Expect(next(0, account("coder", 0, 1.2e9, 0, 0))).To(ConsistOf(ContainSubstring("limit day of coder has reached 50 %: 1.20 of 2.00 EUR")))
		Expect(next(10*time.Hour, account("coder", 0, 1.2e9, 0, 0))).To(BeEmpty())
		tomorrow := account("coder", 0, 1.2e9, 0, 0)
		tomorrow.Limits[1].Since = noon.Add(12 * time.Hour)
		Expect(next(2*time.Hour, tomorrow)).To(HaveLen(1))
	})

	It("tells of what is prepaid for good", func() {
		Expect(next(0, account("coder", 0, 0, 10, 0))).To(ConsistOf(HaveSuffix("limit once of coder has no room for a call: 10 of 10 requests; it does not reset by itself")))
		Expect(next(10000*time.Hour, account("coder", 0, 0, 10, 0))).To(BeEmpty())
		Expect(next(0, account("coder", 0, 0, 1, 0))).To(BeEmpty())
		Expect(next(0, account("coder", 0, 0, 10, 0))).To(HaveLen(1))
	})

	It("tells again after a reset", func() {
		Expect(next(0, account("coder", 0, 1.9e9, 0, 0))).To(HaveLen(1))
		o.Forget["agents"] = true
		Expect(next(0, account("coder", 0, 0, 0, 0))).To(BeEmpty())
		Expect(next(0, account("coder", 0, 1.9e9, 0, 0))).To(HaveLen(1))
	})

	It("says nothing of calls at once", func() {
		o.Exceeded = exceeded("parallel", "coder", noon)
		Expect(next(0, account("coder", 0, 0, 0, 2))).To(BeEmpty())
	})

	It("tells that a call did not fit, once, though something is left", func() {
		o.Exceeded = exceeded("hourly", "coder", noon)
		Expect(next(time.Second, account("coder", 810, 0, 0, 0))).To(Equal([]string{
			"BudgetExhausted: limit hourly of coder has no room for a call: 810 of 1000 tokens; more from 2026-11-27T12:01:00Z on"}))
		o.Exceeded = exceeded("hourly", "coder", noon.Add(2*time.Minute))
		Expect(next(2*time.Minute, account("coder", 830, 0, 0, 0))).To(BeEmpty())
	})

	It("remembers nothing of limits that are gone", func() {
		Expect(next(0, account("coder", 520, 0, 0, 0))).To(HaveLen(1))
		o.Held.Config.Budgets[0].Limits = o.Held.Config.Budgets[0].Limits[1:]
		a := account("coder", 0, 0, 0, 0)
		a.Limits = a.Limits[1:]
		Expect(next(0, a)).To(BeEmpty())
		Expect(o.Budgets[0].Status.Notified).To(BeEmpty())
	})
})

var _ = It("names the first limits that are used up, and counts the others", func() {
	var all []ledger.AccountReport
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		all = append(all, account(name, 1000, 0, 0, 0))
	}
	st := decide(world(nil, all...)).Statuses[0]
	Expect(st.Conditions).To(ContainElement(SatisfyAll(HaveField("Type", "Exhausted"), HaveField("Status", metav1.ConditionTrue),
		HaveField("Message", "used up: hourly of a, hourly of b, hourly of c and 2 more"))))
})
