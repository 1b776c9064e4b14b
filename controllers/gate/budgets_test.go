package gate

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

// loaded are the objects of a manifest, with their defaults.
func loaded[T specs.Object](text string) T {
	GinkgoHelper()
	docs, faults := specs.Load("a.yaml", []byte("apiVersion: mirroros.dev/v1alpha1\n"+text))
	Expect(faults).To(BeEmpty())
	return specs.Copy(docs[0].Object).(T)
}

const agentsBudget = `kind: TokenBudget
metadata: {name: agents}
spec:
  parent: house
  principals: {types: [Agent], matchLabels: {team: research}}
  account: Each
  scope: {gates: [front], routes: [chat], models: ["house-*"]}
  limits:
  - {name: hourly, tokens: 100k, window: {sliding: 1h}}
  - {name: month, cost: "20.50", currency: EUR, window: {calendar: Month, timeZone: Europe/Berlin}}
  - {name: parallel, concurrency: 4, onExceeded: {action: Queue}}
  - {name: all, requests: 600}
  onExceeded: {action: Downgrade, route: small}
  thresholds: [50, 80]
`

var _ = Describe("budgets of the gates", func() {
	It("are what the objects say", func() {
		house := loaded[*specs.TokenBudget]("kind: TokenBudget\nmetadata: {name: house}\nspec: {principals: {all: true}, limits: [{name: a, inputTokens: 1M}]}\n")
		scout := aPrincipal("scout")
		scout.Labels = map[string]string{"team": "research"}
		o := observedWorld(func(o *observed) {
			o.Budgets = []*specs.TokenBudget{loaded[*specs.TokenBudget](agentsBudget), house}
			o.Principals = []*specs.Principal{scout}
		})
		down := ledger.Limit{OnExceeded: ledger.Downgrade, Route: "small"}
		limit := func(name string, m ledger.Measure, amount int64, w ledger.Window) ledger.Limit {
			l := down
			l.Name, l.Measure, l.Amount, l.Window = name, m, amount, w
			return l
		}
		Expect(o.Ledger).To(Equal(ledger.Config{Number: 1,
			Budgets: []ledger.Budget{
				{Name: "agents", Parent: "house", Types: []string{"Agent"}, Labels: map[string]string{"team": "research"}, Each: true, Currency: "EUR",
					Gates: []string{"front"}, Routes: []string{"chat"}, Models: []string{"house-*"}, Thresholds: []int32{50, 80},
					Limits: []ledger.Limit{
						limit("hourly", ledger.Tokens, 100_000, ledger.Window{Sliding: time.Hour}),
						limit("month", ledger.Cost, 20_500_000_000, ledger.Window{Calendar: ledger.Month, Zone: "Europe/Berlin"}),
						{Name: "parallel", Measure: ledger.Concurrency, Amount: 4, OnExceeded: ledger.Queue, MaxWait: specs.DefaultMaxWait},
						limit("all", ledger.Requests, 600, ledger.Window{}),
					}},
				{Name: "house", All: true, Limits: []ledger.Limit{{Name: "a", Measure: ledger.InputTokens, Amount: 1_000_000, OnExceeded: ledger.Deny}}},
			},
			Principals: []ledger.Principal{{Name: "process/model", Type: "Process"}, {Name: "scout", Type: "Agent", Labels: scout.Labels}, {Name: "system/anonymous", Type: "System"}},
		}))
		Expect(decide(o).Ledger).To(BeNil())
		By("and a parent that is missing is none, so that the rest holds")
		o.Budgets = o.Budgets[:1]
		d := decide(o)
		Expect(d.Ledger.Number).To(BeEquivalentTo(2))
		Expect(d.Ledger.Budgets[0].Parent).To(BeEmpty())
		Expect(d.Config).To(BeNil())
	})

	It("say what each backend takes, its own before that of the route", func() {
		rt := loaded[*specs.Route](`kind: Route
metadata: {name: chat}
spec:
  gate: front
  protocol: OpenAI
  match: {models: [chat]}
  backends:
  - {process: model, port: http}
  - {url: "http://127.0.0.1:1", pricing: {free: true}}
  fallbacks:
  - {url: "http://127.0.0.1:2", pricing: {currency: EUR, inputPerMillion: "1", cachedInputPerMillion: "0.1", perCall: "0.000000001"}}
  limits: {inputTokens: {bound: Learned}, imageTokens: 1500}
  pricing: {currency: EUR, inputPerMillion: "0.10", outputPerMillion: "0.40"}
`)
		c := observedWorld(func(o *observed) { o.Routes = []*specs.Route{rt} }).Config.Gates[0].Routes[0]
		Expect(c.Backends[0].Price).To(Equal(&proxy.Price{InputPerMillion: 1e8, CachedPerMillion: 1e8, OutputPerMillion: 4e8}))
		Expect(c.Backends[1].Price).To(BeNil())
		Expect(c.Fallbacks[0].Price).To(Equal(&proxy.Price{InputPerMillion: 1e9, CachedPerMillion: 1e8, PerCall: 1}))
		Expect(c.InputBound).To(Equal(proxy.BoundLearned))
		Expect(c.ImageTokens).To(BeEquivalentTo(1500))
	})

	It("come into force with a reload, and an operator that starts writes nothing", func() {
		w := newWorld()
		w.serves = true
		w.put(aGate("front"), aProcess("model"), aRoute("chat", "model"), loaded[*specs.TokenBudget](agentsBudget))
		w.reconcile()
		b := w.Budgets()
		Expect(b.Config.Number).To(BeEquivalentTo(1))
		Expect(b.Unwritten).To(BeEmpty())
		Expect(b.Generations).To(Equal(map[string]int64{"agents": 1}))
		Expect(w.running[0].Budgets).To(BeEquivalentTo(1))
		told := w.budgeted
		Expect(told).To(BeNumerically(">", 0))
		w.reconcile()
		Expect(w.budgeted).To(Equal(told), "nothing changed")
		w.open()
		Expect(func() { w.reconcile() }).To(reconciletest.BeNoOp(w.client.Store()))
		b = w.Budgets()
		Expect(b.Config.Number).To(BeEquivalentTo(1))
		Expect(b.Generations).To(HaveKey("agents"))
		told = w.budgeted
		By("and one that cannot be written is told")
		gateDir := filepath.Join(w.dir, "state", "gate")
		Expect(os.RemoveAll(gateDir)).To(Succeed())
		Expect(os.WriteFile(gateDir, nil, 0o600)).To(Succeed())
		w.put(loaded[*specs.TokenBudget]("kind: TokenBudget\nmetadata: {name: house}\nspec: {principals: {all: true}, limits: [{name: a, requests: 1}]}\n"))
		_, err := w.Reconcile(context.Background(), request)
		Expect(err).To(HaveOccurred())
		b = w.Budgets()
		Expect(b.Config.Number).To(BeEquivalentTo(1))
		Expect(b.Unwritten).To(ContainSubstring("cannot make the directory"))
		Expect(b.Generations).NotTo(HaveKey("house"))
		Expect(w.budgeted).To(BeNumerically(">", told))
	})
})
