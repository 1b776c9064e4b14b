package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/queue"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// host is a reconciler over a real store, with a ledger, a gate and a chain that are not real.
type host struct {
	*Reconciler
	client   *reconcile.Client
	now      time.Time
	held     Held
	running  []control.Running
	accounts []ledger.AccountReport
	fails    error
	reads    int
	resets   []string
	unlogged error
	records  []audit.Record
	events   []string
	asked    int
}

func newHost() *host {
	h := &host{client: reconciletest.TempClient(GinkgoTB()), now: noon}
	o := world(nil)
	h.held, h.running = o.Held, o.Running
	h.open()
	b := aBudget(limits)
	b.Generation = 0
	_, err := h.client.Create(context.Background(), b)
	Expect(err).NotTo(HaveOccurred())
	return h
}

// open makes the reconciler, as an operator that starts does.
func (h *host) open() {
	h.Reconciler = New(Options{Client: h.client, Recorder: h, Audit: h, Held: func() Held { return h.held }, Running: func() []control.Running { return h.running },
		Ledger: h, Now: func() time.Time { return h.now }})
	h.Reconciler.enqueue = func(reconcile.Request, queue.Priority) { h.asked++ }
}

func (h *host) Report(ledger.Config, time.Time) ([]ledger.BudgetReport, error) {
	h.reads++
	return []ledger.BudgetReport{{Name: "agents", Accounts: h.accounts}}, h.fails
}

func (h *host) History(q ledger.HistoryQuery) ([]ledger.HistoryRow, error) {
	return []ledger.HistoryRow{{Name: q.Budget + " by " + string(q.By)}}, h.fails
}

func (h *host) Reset(budget, reason string) error {
	h.resets = append(h.resets, budget+": "+reason)
	return h.fails
}

func (h *host) Verify(ledger.Config) (ledger.Findings, error) {
	return ledger.Findings{Records: 7}, h.fails
}

func (h *host) Write(r *audit.Record, _ bool) error {
	if h.unlogged == nil {
		h.Post(r)
	}
	return h.unlogged
}
func (h *host) Post(r *audit.Record) { h.records = append(h.records, *r) }

func (h *host) Event(o specs.Object, _, reason, message string) {
	h.events = append(h.events, fmt.Sprintf("%s %s: %s", o.GetName(), reason, message))
}

func (h *host) look() reconcile.Result {
	GinkgoHelper()
	res, err := h.Reconcile(context.Background(), request)
	Expect(err).NotTo(HaveOccurred())
	return res
}

func (h *host) budget() *specs.TokenBudget {
	GinkgoHelper()
	b, ok := reconcile.Get[*specs.TokenBudget](h.client, "agents")
	Expect(ok).To(BeTrue())
	return b
}

var _ = Describe("Reconcile", func() {
	var h *host
	ctx := context.Background()
	BeforeEach(func() { h = newHost() })

	It("writes how a budget stands, and then nothing", func() {
		h.accounts = []ledger.AccountReport{account("coder", 600, 0, 0, 0)}
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Ready", "True", "Serving"))
		Expect(h.budget()).To(reconciletest.HaveCondition("NearLimit", "True", "BudgetNearLimit"))
		Expect(h.events).To(ConsistOf(HavePrefix("agents BudgetNearLimit: limit hourly of coder has reached 50 %")))
		h.now = h.now.Add(10 * time.Second)
		Expect(func() { h.look() }).To(reconciletest.BeNoOp(h.client.Store()))
		By("nor does the next operator, which tells nothing twice")
		h.open()
		Expect(func() { h.look() }).To(reconciletest.BeNoOp(h.client.Store()))
		Expect(h.events).To(HaveLen(1))
	})

	It("reads the ledger at most once a second, and later what came meanwhile", func() {
		h.look()
		h.accounts = []ledger.AccountReport{account("coder", 600, 0, 0, 0)}
		h.now = h.now.Add(300 * time.Millisecond)
		Expect(h.look().RequeueAfter).To(Equal(time.Second))
		Expect(h.reads).To(Equal(1))
		h.now = h.now.Add(700 * time.Millisecond)
		h.look()
		Expect(h.reads).To(Equal(2))
		Expect(h.budget().Status.Limits[0].Used).To(Equal("600"))
		By("at once for other budgets")
		h.held.Config.Number++
		h.look()
		Expect(h.reads).To(Equal(3))
	})

	It("reads nothing while there is no budget, or no gate", func() {
		h.held = Held{}
		h.running = nil
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Ready", "Unknown", "WaitingForGate"))
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "Unknown", "LedgerUnreadable"))
		Expect(h.client.Delete(ctx, reconcile.Request{Kind: "TokenBudget", Name: "agents"})).To(Succeed())
		h.look()
		Expect(h.reads).To(BeZero())
	})

	It("says what it refers to that is missing", func() {
		b := specs.Copy(h.budget())
		b.Spec.Parent = "house"
		_, err := h.client.Update(ctx, b)
		Expect(err).NotTo(HaveOccurred())
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("ResolvedRefs", "False", "RefsNotFound"))
		Expect(h.budget().Status.Conditions[0].Message).To(Equal("no tokenbudget/house"))
	})

	It("comes back with an error when the ledger cannot be read", func() {
		h.fails = errors.New("input/output error")
		_, err := h.Reconcile(ctx, request)
		Expect(err).To(MatchError(ContainSubstring("input/output error")))
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "Unknown", "LedgerUnreadable"))
		h.fails = nil
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"))
	})

	It("resets on record, and tells of thresholds anew", func() {
		h.accounts = []ledger.AccountReport{account("coder", 0, 2e9, 0, 0)}
		h.look()
		Expect(h.Reconciler.Reset("agents", "a slip of the hand", "alice (uid 1000)")).To(Succeed())
		Expect(h.resets).To(Equal([]string{"agents: a slip of the hand"}))
		Expect(h.records).To(HaveLen(1))
		Expect(h.records[0].Text).To(Equal("tokenbudget agents reset by alice (uid 1000): a slip of the hand"))
		Expect(h.records[0].Reason).To(Equal("BudgetReset"))
		Expect(h.asked).To(Equal(1))
		h.accounts = nil
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"))
		Expect(h.budget().Status.Notified).To(BeEmpty())
		h.accounts, h.now = []ledger.AccountReport{account("coder", 0, 2e9, 0, 0)}, h.now.Add(time.Minute)
		h.look()
		Expect(h.events).To(HaveLen(3))
	})

	It("resets nothing without a word, without a record, or what is not there", func() {
		Expect(h.Reconciler.Reset("agents", " ", "alice")).To(MatchError(ContainSubstring("say why")))
		Expect(h.Reconciler.Reset("agent", "why", "alice")).To(MatchError(ContainSubstring("not found")))
		h.unlogged = errors.New("no space left on device")
		Expect(h.Reconciler.Reset("agents", "why", "alice")).To(MatchError(ContainSubstring("cannot record the reset")))
		Expect(h.resets).To(BeEmpty())
		By("and says on record what was not done")
		h.unlogged, h.fails = nil, errors.New("read-only file system")
		Expect(h.Reconciler.Reset("agents", "why", "alice")).NotTo(Succeed())
		Expect(h.records).To(HaveLen(2))
		Expect(h.records[1].Text).To(ContainSubstring("was not reset, though alice asked: read-only file system"))
	})

	It("adds up what gates told, as long as they are there", func() {
		h.accounts = []ledger.AccountReport{account("coder", 10, 0, 0, 0)}
		a := control.BudgetAccount{Budget: "agents", Limit: "hourly", Principal: "coder"}
		h.Count("gate-0", control.Counts{Budgets: []control.BudgetCount{{BudgetAccount: a, Exceeded: 2, Last: noon.Add(-time.Hour)}}})
		h.Count("gate-0", control.Counts{Budgets: []control.BudgetCount{{BudgetAccount: a, Exceeded: 3, Last: noon}}})
		h.Count("gate-1", control.Counts{Budgets: []control.BudgetCount{{BudgetAccount: a, Exceeded: 4, Last: noon.Add(-time.Minute)}}})
		h.look()
		Expect(h.budget().Status.Exceeded).To(BeEquivalentTo(7))
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "True", "BudgetExhausted"))
		h.Gone("gate-0")
		h.look()
		Expect(h.budget().Status.Exceeded).To(BeEquivalentTo(4))
		Expect(h.asked).To(Equal(4))
	})

	It("answers questions", func() {
		_, _, err := h.Reconciler.Report("nope")
		Expect(err).To(MatchError(ContainSubstring("not found")))
		_, report, err := h.Reconciler.Report("agents")
		Expect(err).NotTo(HaveOccurred())
		Expect(report.Name).To(Equal("agents"))
		Expect(h.Reconciler.History("agents", ledger.HistoryQuery{By: ledger.ByModel})).To(ConsistOf(HaveField("Name", "agents by model")))
		Expect(h.Reconciler.Verify()).To(HaveField("Records", BeEquivalentTo(7)))
		h.held = Held{}
		_, _, err = h.Reconciler.Report("agents")
		Expect(err).To(MatchError(ContainSubstring("no gate has been here yet")))
	})
})
