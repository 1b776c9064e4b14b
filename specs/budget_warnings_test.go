package specs_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("Warnings of budgets", func() {
	It("tell of each tunnel below a budget of cost, on this host too, and not where the scope leaves it out", func() {
		house := &specs.TokenBudget{Spec: specs.TokenBudgetSpec{Principals: &specs.PrincipalSelector{All: true},
			Limits: []specs.BudgetLimit{{Name: "m", Cost: "1", Currency: "EUR", Window: &specs.BudgetWindow{Calendar: specs.CalendarMonth}}}}}
		house.Name = "house"
		here := &specs.Route{Spec: specs.RouteSpec{Gate: "front", Protocol: specs.ProtocolTCP, Backends: []specs.RouteBackend{{URL: "tcp://127.0.0.1:1"}}}}
		here.Name = "here"
		away := &specs.Route{Spec: specs.RouteSpec{Gate: "back", Protocol: specs.ProtocolCONNECT, Remote: true}}
		away.Name = "away"
		told := func() (out []string) {
			for _, m := range specs.Warnings([]specs.Object{house, here, away}) {
				out = append(out, m.Message)
			}
			return out
		}
		Expect(told()).To(ConsistOf(ContainSubstring("route/here is a tunnel: what passes it is not read"), ContainSubstring("route/away is a tunnel to other hosts: ")))
		house.Spec.Scope = &specs.BudgetScope{Routes: []string{"chat"}}
		Expect(told()).To(BeEmpty())
	})
})
