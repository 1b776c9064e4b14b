package budget

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/reconcile/reconciletest"
)

var _ = Describe("the ledger of a gate", func() {
	// The log itself, which a gate writes meanwhile.
	var h *host
	var gate *ledger.Ledger
	var dir string
	BeforeEach(func() {
		h = newHost()
		dir = GinkgoT().TempDir()
		h.now = time.Now() // the gate's clock is the host's
		h.held.Config.Budgets[0] = ledger.Budget{Name: "agents", Types: []string{"Agent"}, Each: true, Currency: "EUR", Thresholds: []int32{50, 80},
			Limits: []ledger.Limit{{Name: "hourly", Measure: ledger.Tokens, Amount: 1000, Window: windows["hourly"], OnExceeded: ledger.Deny},
				{Name: "day", Measure: ledger.Cost, Amount: 2e9, Window: windows["day"], OnExceeded: ledger.Deny}}}
		h.held.Config.Principals = []ledger.Principal{{Name: "coder", Type: "Agent"}}
		h.Reconciler.o.Ledger = &logFiles{dir: filepath.Join(dir, "ledger")}
	})
	open := func() {
		GinkgoHelper()
		var err error
		gate, err = ledger.Open(ledger.Options{Dir: filepath.Join(dir, "ledger")})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(gate.Close)
		Expect(gate.Configure(h.held.Config)).To(Succeed())
	}
	spend := func(input, output int64) {
		GinkgoHelper()
		price := ledger.Price{OutputPerMillion: 1e9}
		r, over, err := gate.Reserve(context.Background(), &ledger.Request{ID: "a", Principal: "coder", Gate: "front", Route: "chat", Model: "m", Input: input, Output: output,
			MinOutput: 1, Prices: []ledger.Price{price}})
		Expect(err).NotTo(HaveOccurred())
		Expect(over).To(BeNil())
		Expect(r.Commit(false)).To(Succeed())
		r.Settle(ledger.Usage{Input: input, Output: output}, &price)
	}

	It("is read as it is written, reset, and verified", func() {
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"), "a gate that has spent nothing has no log")
		open()
		spend(400, 200)
		h.now = h.now.Add(2 * time.Second)
		h.look()
		st := h.budget().Status
		Expect(st.Limits[0]).To(SatisfyAll(HaveField("Principal", "coder"), HaveField("Used", "600"), HaveField("Remaining", "400"), HaveField("BurnPerHour", "600")))
		Expect(st.Limits[1]).To(HaveField("Used", "0.0002"))
		Expect(st.TopSpenders).To(ConsistOf(HaveField("Principal", "coder")))
		Expect(h.budget()).To(reconciletest.HaveCondition("NearLimit", "True", "BudgetNearLimit"))
		rows, err := h.Reconciler.History("agents", ledger.HistoryQuery{By: ledger.ByRoute, Since: h.now.Add(-time.Minute), Until: h.now.Add(time.Minute), Step: time.Second})
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(ConsistOf(SatisfyAll(HaveField("Name", "front/chat"), HaveField("Total.Input", BeEquivalentTo(400)), HaveField("Total.Requests", BeEquivalentTo(1)))))
		By("by another operator too, which tells nothing twice")
		told := len(h.events)
		h.open()
		h.Reconciler.o.Ledger = &logFiles{dir: filepath.Join(dir, "ledger")}
		h.look()
		Expect(h.events).To(HaveLen(told))
		By("and forgets, while the gate goes on")
		Expect(h.Reconciler.Reset("agents", "mended", "alice")).To(Succeed())
		h.now = h.now.Add(2 * time.Second)
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("NearLimit", "False", "WithinLimits"))
		Expect(h.budget().Status.Accounts).To(BeZero())
		spend(400, 200)
		h.now = h.now.Add(2 * time.Second)
		h.look()
		Expect(h.budget().Status.Limits[0].Used).To(Equal("600"))
		Expect(h.Reconciler.Verify()).To(SatisfyAll(HaveField("Faults", BeEmpty()), HaveField("Calls", BeEquivalentTo(2)), HaveField("Open", BeZero())))
	})

	It("that is damaged is told of, and read again when it is mended", func() {
		open()
		spend(1, 1)
		h.look()
		Expect(gate.Close()).To(Succeed())
		files, err := filepath.Glob(filepath.Join(dir, "ledger", "*"))
		Expect(err).NotTo(HaveOccurred())
		var log string
		var whole []byte
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && len(b) > len(whole) {
				log, whole = f, b
			}
		}
		broken := append([]byte(nil), whole...)
		for i := range broken[:len(broken)/2] {
			broken[i] ^= 0xff
		}
		Expect(os.WriteFile(log, broken, 0o600)).To(Succeed())
		f, err := h.Reconciler.Verify()
		Expect(err != nil || len(f.Faults) > 0).To(BeTrue(), "%+v", f)
		h.open()
		h.Reconciler.o.Ledger = &logFiles{dir: filepath.Join(dir, "ledger")}
		_, err = h.Reconcile(context.Background(), request)
		Expect(err).To(HaveOccurred())
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "Unknown", "LedgerUnreadable"))
		Expect(os.WriteFile(log, whole, 0o600)).To(Succeed())
		h.look()
		Expect(h.budget()).To(reconciletest.HaveCondition("Exhausted", "False", "WithinLimits"))
	})
})
