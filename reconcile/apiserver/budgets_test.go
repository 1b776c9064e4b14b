package apiserver_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// ledger answers what the last question was.
type ledger struct {
	asked apiserver.BudgetQuestion
	reset string
}

func (l *ledger) Report(_ context.Context, name string) (*specs.BudgetReport, error) {
	if name != "agents" {
		return nil, fmt.Errorf("cannot tell of TokenBudget %q: %w", name, store.ErrNotFound)
	}
	return &specs.BudgetReport{Name: name, Accounts: []specs.BudgetAccountReport{}}, nil
}

func (l *ledger) History(_ context.Context, _ string, q apiserver.BudgetQuestion) (*specs.BudgetHistory, error) {
	l.asked = q
	return &specs.BudgetHistory{By: q.By}, nil
}

func (l *ledger) Reset(_ context.Context, name, reason, by string) error {
	if reason == "" {
		return errors.New("cannot reset TokenBudget: say why")
	}
	l.reset = name + ", " + reason + ", " + by
	return nil
}

func (l *ledger) Verify(context.Context) (*specs.BudgetFindings, error) {
	return &specs.BudgetFindings{Records: 7}, nil
}

var _ = Describe("budgets", func() {
	const path = "/apis/mirroros.dev/v1alpha1/tokenbudgets/agents"

	It("are told of, and forgotten by somebody", func() {
		l := &ledger{}
		a := serve(GinkgoTB(), apiserver.Options{Budgets: l})
		Expect(a.get(path + "/report").at("name")).To(Equal("agents"))
		Expect(a.get("/apis/mirroros.dev/v1alpha1/tokenbudgets/nope/report").code).To(Equal(404))
		Expect(a.get(path + "/history").code).To(Equal(200))
		Expect(l.asked).To(Equal(apiserver.BudgetQuestion{By: "principal", Since: 24 * time.Hour, Steps: 60}))
		Expect(a.get(path + "/history?by=model&since=12h&steps=100").at("by")).To(Equal("model"))
		Expect(l.asked).To(Equal(apiserver.BudgetQuestion{By: "model", Since: 12 * time.Hour, Steps: 100}))
		Expect(a.get("/mirroros/budgets/verify").at("records")).To(BeEquivalentTo(7))
		Expect(a.send("POST", path+"/reset", "application/json", `{}`).code).To(Equal(422))
		Expect(a.send("POST", path+"/reset", "application/json", `{"reason": "a", "by": "somebody else"}`).code).To(Equal(400))
		Expect(l.reset).To(BeEmpty())
		Expect(a.send("POST", path+"/reset", "application/json", `{"reason": "mended"}`).code).To(Equal(200))
		Expect(l.reset).To(HavePrefix("agents, mended, "))
		Expect(l.reset).NotTo(HaveSuffix(", "))
	})

	DescribeTable("refuse a history that cannot be", func(query, want string) {
		r := serve(GinkgoTB(), apiserver.Options{Budgets: &ledger{}}).get(path + "/history?" + query)
		Expect(r.code).To(Equal(400))
		Expect(r.status().Message).To(ContainSubstring(want))
	},
		Entry("by what is not kept", "by=team", `not by "team"`),
		Entry("of no time", "since=0s", "want a duration from 1s to 1488h"),
		Entry("of longer than is kept", "since=1489h", "want a duration from 1s to 1488h"),
		Entry("of what is no duration", "since=2d", "want a duration"),
		Entry("in no steps", "steps=0", "want a number from 1 to 1000"),
		Entry("in too many", "steps=1001", "want a number from 1 to 1000"),
	)

	It("are not there without a ledger, and not for workloads", func() {
		a := serve(GinkgoTB(), apiserver.Options{})
		Expect(a.get(path + "/report").code).To(Equal(404))
		Expect(a.get("/mirroros/budgets/verify").code).To(Equal(404))
		a = serve(GinkgoTB(), apiserver.Options{Budgets: &ledger{}, IsWorkload: func(int) (string, bool) { return "agent-0", true }})
		Expect(a.send("POST", path+"/reset", "application/json", `{"reason": "more"}`).code).To(Equal(403))
	})
})
