package admit_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/reconcile/admit"
	"mirroros.dev/mirroros/specs"
)

// chat is a route of models with more in its spec; the backend is its own.
func chat(name, more string) string {
	return doc("Route", name, `gate: front, protocol: OpenAI, match: {models: [`+name+`]}, `+more)
}

func budget(name, more string) string {
	return doc("TokenBudget", name, "principals: {all: true}, "+more)
}

const (
	front  = "apiVersion: mirroros.dev/v1alpha1\nkind: Gate\nmetadata:\n  name: front\nspec: {listen: {unix: a.sock}}\n---\n"
	euros  = `limits: [{name: m, cost: "1.00", currency: EUR}]`
	priced = `backends: [{url: "http://127.0.0.1:1"}], pricing: {currency: EUR, inputPerMillion: "1", outputPerMillion: "2"}`
	tokens = `limits: [{name: t, tokens: 1k, window: {sliding: 1h}}]`
)

var _ = Describe("budgets", func() {
	DescribeTable("are admitted with what they are for", func(text string, want ...string) {
		Expect(lines(admit.Admit(set(map[string]string{"a.yaml": text}), nil, world("home")))).To(HaveExactElements(want))
	},
		Entry("a tree over what is priced, and free", front+chat("a", priced)+chat("b", `backends: [{url: "http://127.0.0.1:2", pricing: {free: true}}]`)+budget("house", euros)+budget("agents", "parent: house, "+tokens)),
		Entry("tokens over what has no price", front+chat("a", local)+budget("agents", tokens)),
		Entry("a parent that is not there", budget("house", euros)+budget("agents", "parent: huose, "+tokens),
			`a.yaml:11:41  spec.parent: no tokenbudget "huose", did you mean "house"?`),
		Entry("a circle of parents", budget("a", "parent: b, "+tokens)+budget("b", "parent: c, "+tokens)+budget("c", "parent: a, "+tokens),
			"a.yaml:5:41  spec.parent: depends on itself: a -> b -> c -> a"),
		Entry("its own parent", budget("a", "parent: a, "+tokens), "a.yaml:5:41  spec.parent: depends on itself: a -> a"),
		Entry("a scope that is not there", front+budget("a", "scope: {gates: [frnt], routes: [chat]}, "+tokens),
			`a.yaml:11:49  spec.scope.gates[0]: no gate "frnt", did you mean "front"?`, `a.yaml:11:65  spec.scope.routes[0]: no route "chat"`),
		Entry("a principal that is not there", doc("TokenBudget", "a", "principals: {names: [coder]}, "+tokens), `a.yaml:5:29  spec.principals.names[0]: no principal "coder"`),
		Entry("a route of another gate", front+chat("a", local)+doc("Gate", "back", "listen: {unix: b.sock}")+budget("b", "scope: {gates: [back], routes: [a]}, "+tokens),
			"a.yaml:23:65  spec.scope.routes[0]: route/a is of gate/front, which spec.scope.gates of tokenbudget/b does not name"),
		Entry("models that no route of the scope serves", front+chat("a", local)+budget("b", "scope: {routes: [a], models: [\"b*\"]}, "+tokens),
			"a.yaml:17:62  spec.scope.models: none of the routes in the scope serves one of these models, so the budget would be for nothing"),
		Entry("a backend without a price", front+chat("a", `backends: [{url: "http://127.0.0.1:1", pricing: {free: true}}, {url: "http://127.0.0.1:2"}]`)+budget("house", euros),
			"a.yaml:11:124  spec.backends[1]: route/a has no pricing for spec.backends[1], and tokenbudget/house counts its cost: write pricing: {free: true} or its prices, or narrow the budget's scope"),
		Entry("a fallback without a price", front+chat("a", `backends: [{url: "http://127.0.0.1:1", pricing: {free: true}}], fallbacks: [{url: "http://127.0.0.1:2"}]`)+budget("house", euros),
			"a.yaml:11:137  spec.fallbacks[0]: route/a has no pricing for spec.fallbacks[0], and tokenbudget/house counts its cost: write pricing: {free: true} or its prices, or narrow the budget's scope"),
		Entry("no price of what is out of scope", front+chat("a", local)+chat("b", priced)+budget("house", "scope: {routes: [b]}, "+euros)),
		Entry("no price of models that are out of scope", front+chat("a", local)+chat("b", priced)+budget("house", "scope: {models: [\"b*\"]}, "+euros)),
		Entry("no price, through a budget below", front+chat("a", local)+chat("b", priced)+budget("house", "scope: {routes: [b]}, "+euros)+budget("c", "parent: house, scope: {routes: [a]}, "+tokens),
			"a.yaml:11:72  spec.backends[0]: route/a has no pricing for spec.backends[0], and tokenbudget/house counts its cost through tokenbudget/c: write pricing: {free: true} or its prices, or narrow the budget's scope"),
		Entry("a price in another currency", front+chat("a", `backends: [{url: "http://127.0.0.1:1"}], pricing: {currency: USD, perCall: "1"}`)+budget("house", euros),
			"a.yaml:11:122  spec.pricing.currency: route/a takes USD, and tokenbudget/house counts its cost in EUR: write the price in that currency"),
		Entry("two currencies in a tree", budget("house", euros)+budget("agents", `parent: house, limits: [{name: m, cost: "1", currency: USD}]`),
			"a.yaml:11:88  spec.limits[0].currency: tokenbudget/agents counts USD and tokenbudget/house in the same tree EUR: a tree of budgets has one currency"),
		Entry("two currencies below one that counts tokens", budget("house", tokens)+budget("a", "parent: house, "+euros)+budget("b", `parent: house, limits: [{name: m, cost: "1", currency: USD}]`),
			"a.yaml:17:88  spec.limits[0].currency: tokenbudget/b counts USD and tokenbudget/a in the same tree EUR: a tree of budgets has one currency"),
		Entry("two trees with a currency each", budget("a", euros)+budget("b", `limits: [{name: m, cost: "1", currency: USD}]`)),
		Entry("money through a tunnel that is named", front+doc("Route", "t", `gate: front, protocol: TCP, backends: [{url: "tcp://127.0.0.1:1"}]`)+budget("house", "scope: {routes: [t]}, "+euros),
			"a.yaml:17:50  spec.scope.routes[0]: route/t is of protocol TCP: what passes it is not read, so no money is counted; budget requests or concurrency of it"),
		Entry("money through a tunnel that is not named", front+doc("Route", "t", `gate: front, protocol: TCP, backends: [{url: "tcp://127.0.0.1:1"}]`)+budget("house", euros)),
	)

	down := func(to string) string {
		return "scope: {routes: [big]}, " + tokens + ", onExceeded: {action: Downgrade, route: " + to + "}"
	}
	DescribeTable("go down to what is neither more remote nor dearer", func(text string, want ...string) {
		Expect(lines(admit.Admit(set(map[string]string{"a.yaml": front + text}), nil, world("home")))).To(HaveExactElements(want))
	},
		Entry("a free one", chat("big", priced)+chat("small", `backends: [{url: "http://127.0.0.1:1"}], pricing: {free: true}`)+budget("b", down("small"))),
		Entry("one of the same price", chat("big", priced)+chat("small", priced)+budget("b", down("small"))),
		Entry("two without a price", chat("big", local)+chat("small", local)+budget("b", down("small"))),
		Entry("one that is not there", chat("big", local)+budget("b", down("small")), `a.yaml:17:152  spec.onExceeded.route: no route "small"`),
		Entry("one of another gate", chat("big", local)+doc("Gate", "back", "listen: {unix: b.sock}")+doc("Route", "small", `gate: back, protocol: OpenAI, match: {models: [a]}, `+local)+budget("b", down("small")),
			"a.yaml:29:152  spec.onExceeded.route: route/small is of gate/back, and a call to route/big comes to gate/front; the budget is for route/big too: name its routes in spec.scope, or another route here"),
		Entry("one of another protocol", chat("big", local)+doc("Route", "small", `gate: front, protocol: Anthropic, match: {models: [a]}, `+local)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: route/small is of protocol Anthropic, and a call to route/big is of OpenAI; the budget is for route/big too: name its routes in spec.scope, or another route here"),
		Entry("one without models", chat("big", local)+doc("Route", "small", `gate: front, protocol: HTTP, match: {path: /a}, `+local)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: route/small is of protocol HTTP: a downgrade is for protocols OpenAI and Anthropic"),
		Entry("one that leaves the host", chat("big", local)+chat("small", `backends: [{url: "https://example.com", remote: true}]`)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: route/small leaves the host and route/big does not: a downgrade goes to no more remote place"),
		Entry("a dearer one", chat("big", priced)+chat("small", `backends: [{url: "http://127.0.0.1:1"}], pricing: {currency: EUR, outputPerMillion: "2.5"}`)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: route/small is dearer than route/big: its outputPerMillion is 2.50 and not at most 2.00"),
		Entry("one that costs where the other is free", chat("big", `backends: [{url: "http://127.0.0.1:1"}], pricing: {free: true}`)+chat("small", priced)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: route/small is dearer than route/big: its inputPerMillion is 1.00 and not at most 0.00"),
		Entry("one whose price nobody knows", chat("big", priced)+chat("small", local)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: nobody can tell whether route/small is dearer than route/big: it has a backend without pricing, or several currencies"),
		Entry("one in another currency", chat("big", priced)+chat("small", `backends: [{url: "http://127.0.0.1:1"}], pricing: {currency: USD, perCall: "0.1"}`)+budget("b", down("small")),
			"a.yaml:23:152  spec.onExceeded.route: nobody can tell whether route/small is dearer than route/big: one takes USD and the other EUR"),
		Entry("one limit's alone", chat("big", local)+chat("small", `backends: [{url: "https://example.com", remote: true}]`)+budget("b", `scope: {routes: [big]}, limits: [{name: a, tokens: 1, window: {sliding: 1h}, onExceeded: {action: Downgrade, route: small}}]`),
			"a.yaml:23:149  spec.limits[0].onExceeded.route: route/small leaves the host and route/big does not: a downgrade goes to no more remote place"),
	)

	It("tells of a price that goes at the route, and of nothing when neither changed", func() {
		old := set(map[string]string{"a.yaml": front + chat("a", priced), "b.yaml": budget("house", euros)})
		Expect(admit.Admit(old, nil, world("home"))).To(BeEmpty())
		s := set(map[string]string{"a.yaml": front + chat("a", local), "b.yaml": budget("house", euros)})
		Expect(lines(admit.Admit(s, old, world("home")))).To(ConsistOf(HavePrefix("a.yaml:11:72  spec.backends[0]: ")))
		more := set(map[string]string{"a.yaml": front + chat("a", local), "b.yaml": budget("house", euros), "c.yaml": process("web")})
		Expect(admit.Admit(more, s, world("home"))).To(BeEmpty())
	})

	It("tells at the budget what is of another stack, or of none", func() {
		mine, w := set(map[string]string{"b.yaml": budget("house", euros)}), world("home")
		w.Others = map[string]*admit.Set{"other": set(map[string]string{"other/a.yaml": front + chat("a", local)})}
		want := HavePrefix("b.yaml:5:58  spec.limits[0].cost: route/a has no pricing for spec.backends[0]")
		Expect(lines(admit.Admit(mine, nil, w))).To(ConsistOf(want))
		Expect(lines(admit.Admit(mine, nil, world("home", object(chat("a", local), ""))))).To(ConsistOf(want))
		By("and not of what is going")
		Expect(admit.Admit(mine, nil, world("home", object(chat("a", local), "home")))).To(BeEmpty())
	})

	It("holds what is written through the API to the same", func() {
		house := object(budget("house", euros), "home")
		faults := admit.Object(object(chat("a", local), ""), world("", house))
		Expect(faults.ToAggregate()).To(MatchError(ContainSubstring("spec.backends[0]: Forbidden: route/a has no pricing for spec.backends[0], and tokenbudget/house counts its cost")))
		Expect(admit.Object(object(chat("a", priced), ""), world("", house))).To(BeEmpty())
		Expect(admit.Object(house, world("", object(chat("a", local), ""))).ToAggregate()).To(MatchError(ContainSubstring("spec.limits[0].cost: Forbidden: ")))
		a := object(budget("a", "parent: house, "+tokens), "")
		circle := specs.Copy(house.(*specs.TokenBudget))
		circle.Spec.Parent = "a"
		Expect(admit.Object(circle, world("", house, a)).ToAggregate()).To(MatchError(ContainSubstring("depends on itself: a -> house -> a")))
	})
})
