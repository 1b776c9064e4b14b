package e2e

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a prompt to a route", func() {
	var h *host
	check := func(expect string) string {
		return object("Check", "itself", "target: {route: chat}", "prompt: {messages: [{role: user, content: 'Who are you?'}], expect: {"+expect+"}}",
			"timeout: 2s", "schedule: {every: 2s}")
	}
	wrong := func() string { return strings.Replace(model("m", "0s"), "tiny-1", "tiny-7", 1) }
	aligned := func() string { return h.condition("route", "chat", "Aligned") }
	begin := func(expect string, more ...string) {
		GinkgoHelper()
		h = newHost()
		h.write("gate.yaml", append(append(front("m"), model("m", "0s")), more...)...)
		h.write("check.yaml", check(expect))
		h.start()
		h.ready()
		h.serving("front")
	}

	It("tells of a model that answers otherwise, and of one that answers well again", func() {
		begin("contains: [tiny-1], maxLatency: 2s, maxTokens: 64")
		Eventually(aligned).Should(Equal("True ChecksPassing"))
		h.write("gate.yaml", append(front("m"), wrong())...)
		Eventually(aligned).Should(Equal("False CheckFailing"))
		Expect(h.must("get", "route", "chat", "-o", `jsonpath={.status.conditions[?(@.type=="Aligned")].message}`)).To(
			ContainSubstring(`check/itself: 1 of 1 measurements failed: the answer does not contain "tiny-1"`))
		out, _, code := h.ctl("check", "run", "itself")
		Expect(code).To(Equal(1))
		Expect(out).To(And(ContainSubstring(`it said: "I am tiny-7`), ContainSubstring("check/itself Failing")))
		Expect(h.must("events")).NotTo(ContainSubstring("I am tiny"), "no answer is in an event")
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		Eventually(aligned).Should(Equal("True ChecksPassing"))
		Expect(h.told("itself")).To(ContainSubstring("CheckFailing=1"))
	})

	It("is asked as system/check, by a rule of its own, and through the filters of all", func() {
		begin("contains: [tiny-1]", object("GateRule", "nothing", "routes: [chat]", "principals: {all: true}", "priority: 1", "action: Deny", "reason: nobody may"))
		Eventually(aligned).Should(Equal("True ChecksPassing"))
		Expect(h.must("audit", "query", "--principal", "system/check", "--route", "chat")).To(And(ContainSubstring("Allowed"), ContainSubstring("system/check")))
		c := newClient(h.serving("front"), h.token("scout"))
		Expect(c.post(chatPath, ask("Who are you?")).Status).To(Equal(403))
		h.write("filter.yaml", object("GateRule", "no-names", "routes: [chat]", "principals: {all: true}", "filters: [{type: ForbidPattern, on: Request, patterns: ['(?i)who are you']}]", "reason: no names"))
		Eventually(aligned).Should(Equal("False CheckFailing"))
		Expect(h.must("get", "check", "itself", "-o", "jsonpath={.status.lastRun.message}")).To(ContainSubstring("it refuses"))
	})

	It("is asked by nobody else", func() {
		begin("contains: [tiny-1]")
		_, errs, code := h.ctl("token", "create", "system/check")
		Expect(code).NotTo(BeZero(), errs)
		_, errs, code = h.ctlIn(strings.Replace(object("Principal", "x", "type: Human"), "name: x", "name: system/check", 1), "apply", "-f", "-")
		Expect(code).NotTo(BeZero(), errs)
		_, errs, code = h.ctlIn(object("Process", "thief", "command: [sleep, '1000']", "principal: system/check"), "apply", "-f", "-")
		Expect(code).NotTo(BeZero(), errs)
		h.remove("check.yaml")
		Eventually(aligned).Should(BeEmpty())
	})

	It("says Unknown when it cannot ask, and goes on after the death of operator and gate", func() {
		begin("contains: [tiny-1]")
		Eventually(aligned).Should(Equal("True ChecksPassing"))
		_, errs, code := h.ctlIn(object("Principal", "more", "type: Human"), "apply", "-f", "-") // with it what came before is on the disk
		Expect(code).To(BeZero(), errs)
		last := func() string { return h.must("get", "check", "itself", "-o", "jsonpath={.status.lastRun.started}") }
		kill(h.pidOf("mirrorgate"))
		h.killOperator()
		was := last()
		Eventually(last).WithTimeout(15 * time.Second).ShouldNot(Equal(was))
		Eventually(aligned).WithTimeout(15 * time.Second).Should(Equal("True ChecksPassing"))
		h.write("gate.yaml", append(front("m"), model("m", "0s", "suspend: true"))...)
		Eventually(aligned).Should(Equal("Unknown CheckUnknown"))
		Expect(h.must("get", "check", "itself", "-o", "jsonpath={.status.lastRun.message}")).To(ContainSubstring("the gate answers 503"))
	})
})
