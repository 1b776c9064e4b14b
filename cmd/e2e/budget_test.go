package e2e

import (
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// chatBudget is a budget of so many tokens in an hour for each agent, below one of money.
func chatBudget(tokens string) []string {
	return []string{
		object("TokenBudget", "house", "principals: {all: true}", `limits: [{name: month, cost: "20.00", currency: EUR, window: {calendar: Month, timeZone: Europe/Berlin}}]`),
		object("TokenBudget", "agents", "parent: house", "principals: {types: [Agent]}", "account: Each", "scope: {routes: [chat]}", "thresholds: [50]",
			"limits: [{name: hourly, tokens: "+tokens+", window: {sliding: 1h}}]"),
	}
}

// pricedFront is front with a price.
func pricedFront(process string) []string {
	docs := front(process)
	docs[1] += "  pricing: {currency: EUR, inputPerMillion: \"0.10\", outputPerMillion: \"0.40\"}\n"
	return docs
}

var _ = Describe("a budget", func() {
	var h *host
	var c *client
	begin := func(tokens string) {
		GinkgoHelper()
		h = newHost()
		h.write("gate.yaml", append(pricedFront("m"), model("m", "0s"))...)
		h.write("budgets.yaml", chatBudget(tokens)...)
		h.start()
		h.ready()
		c = newClient(h.serving("front"), h.token("scout"))
		h.must("wait", "tokenbudget/agents", "--timeout", "10s")
	}
	status := func(path string) string {
		GinkgoHelper()
		return strings.TrimSpace(h.must("get", "tokenbudget", "agents", "-o", "jsonpath={.status."+path+"}"))
	}
	// until the budget has no room for a call, and what the gate says then.
	exhaust := func() answer {
		GinkgoHelper()
		for range 100 {
			if a := c.post(chatPath, ask("Say the word mirror.")); a.Status != 200 {
				return a
			}
		}
		Fail("100 calls fitted")
		return answer{}
	}
	exhausted := func() string { return status(`conditions[?(@.type=="Exhausted")].status`) }

	It("lets an agent run out, tells it when it may go on, and lets it through when the manifest has more", func() {
		begin("400")
		a := exhaust()
		Expect(a.Status).To(Equal(429), a.Body)
		Expect(a.Body).To(ContainSubstring("limit hourly of budget agents of scout is 400 tokens"))
		after, err := strconv.Atoi(a.Header.Get("Retry-After"))
		Expect(err).NotTo(HaveOccurred())
		Expect(after).To(And(BeNumerically(">", 60), BeNumerically("<=", 3700)))
		Eventually(exhausted).Should(Equal("True"))
		Expect(status("exceeded")).To(Equal("1"))
		Expect(h.must("events", "--for", "tokenbudget/agents")).To(ContainSubstring("limit hourly of scout has no room for a call"))
		show := h.must("budget", "show", "agents", "--by", "model")
		Expect(show).To(And(ContainSubstring("of 400 tokens"), MatchRegexp(`house-chat +\d+ +\d+ +\d+ +1\n`)))
		Expect(h.must("budget", "show", "agents", "--by", "route")).To(MatchRegexp(`front/chat +\d+ +\d+ +\d+ +1\n`))
		Expect(h.must("top", "budgets")).To(ContainSubstring("EUR"))

		h.write("budgets.yaml", chatBudget("100k")...)
		Eventually(func() error { return c.word("mirror") }).Should(Succeed())
		Expect(h.must("budget", "verify")).To(ContainSubstring("all adds up"))
	})

	It("knows after the death of operator and gate what was used, and tells nothing twice", func() {
		begin("400")
		exhaust()
		Eventually(exhausted).Should(Equal("True"))
		used, last := status("limits[0].used"), status("lastExceeded")
		told := func() string { // how often, for equal events are one
			return h.must("get", "events", "-o", `jsonpath={.items[?(@.reason=="BudgetExhausted")].count}`)
		}
		Eventually(told).Should(Equal("1\n"))
		_, errs, code := h.ctlIn(object("Principal", "more", "type: Human"), "apply", "-f", "-") // with it what came before is on the disk
		Expect(code).To(BeZero(), errs)
		kill(h.pidOf("mirrorgate"))
		h.killOperator()
		h.must("wait", "gate/front", "tokenbudget/agents", "--timeout", "15s")
		c = newClient(h.serving("front"), h.token("scout"))
		Expect(exhaust().Status).To(Equal(429))
		Expect(status("limits[0].used")).To(Equal(used))
		Eventually(func() string { return status("lastExceeded") }).ShouldNot(Equal(last), "the new gate has told")
		Consistently(told).Should(Equal("1\n"))
		Expect(h.must("budget", "verify")).To(ContainSubstring("all adds up"))
	})

	It("is reset by somebody who says why, and by no workload", func() {
		begin("400")
		exhaust()
		_, errs, code := h.ctl("budget", "reset", "agents")
		Expect(code).To(Equal(2), errs)
		h.must("budget", "reset", "agents", "--reason", "a test")
		Expect(c.word("mirror")).To(Succeed())
		Expect(h.must("audit", "query", "--kind", "change")).To(MatchRegexp(`BudgetReset.*tokenbudget agents reset by .*uid \d+.*: a test`))
	})

	It("that counts money refuses a set with a route that has no price, at its place", func() {
		begin("100k")
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		Eventually(func() string { out, _, _ := h.ctl("status"); return out }).Should(
			MatchRegexp(`gate.yaml:\d+:\d+  spec.backends\[0\]: route/chat has no pricing for spec.backends\[0\], and tokenbudget/house counts its cost`))
		Expect(c.word("mirror")).To(Succeed())
	})
})
