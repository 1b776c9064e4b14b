package e2e

import (
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// condition of an object: its status and reason.
func (h *host) condition(kind, name, typ string) string {
	GinkgoHelper()
	out, _, _ := h.ctl("get", kind, name, "-o", `jsonpath={.status.conditions[?(@.type=="`+typ+`")].status} {.status.conditions[?(@.type=="`+typ+`")].reason}`)
	return strings.TrimSpace(out)
}

// told are the reasons and counts of the events of a check.
func (h *host) told(check string) string {
	GinkgoHelper()
	return strings.TrimSpace(h.must("get", "events", "-o", `jsonpath={range .items[?(@.involvedObject.name=="`+check+`")]}{.reason}={.count} {end}`))
}

var _ = Describe("a check of a process", func() {
	var h *host
	// fine is a check every second that looks for a file beside the process.
	var fine string
	check := func(more ...string) string {
		return object("Check", "fine", append([]string{"target: {process: web}", "exec: {command: [test, -e, " + fine + "]}", "timeout: 900ms", "schedule: {every: 1s}"}, more...)...)
	}
	web := object("Process", "web", "command: [sleep, '1000']", "terminationGracePeriodSeconds: 1")
	begin := func() {
		GinkgoHelper()
		h = newHost()
		fine = h.dir + "/fine"
		Expect(os.WriteFile(fine, nil, 0o600)).To(Succeed())
		h.write("web.yaml", web)
		h.write("check.yaml", check())
		h.start()
		h.ready()
		Eventually(func() string { return h.condition("process", "web", "Healthy") }).Should(Equal("True ChecksPassing"))
	}

	It("tells when it fails and passes again, each once, and touches no process", func() {
		begin()
		pid := h.one("web").Status.PID
		Expect(os.Remove(fine)).To(Succeed())
		Eventually(func() string { return h.condition("process", "web", "Healthy") }).Should(Equal("False CheckFailing"))
		out, _, code := h.ctl("status")
		Expect(code).To(Equal(1))
		Expect(out).To(MatchRegexp(`check/fine +Failing +1 of 1 measurements failed: web-[0-9a-f]+-0: exit status 1`))
		_, _, code = h.ctl("check", "run", "fine")
		Expect(code).To(Equal(1))
		Expect(os.WriteFile(fine, nil, 0o600)).To(Succeed())
		Expect(h.must("check", "run", "fine")).To(MatchRegexp(`1  Success  \d+ ms\ncheck/fine Passing\n`))
		Eventually(func() string { return h.condition("process", "web", "Healthy") }).Should(Equal("True ChecksPassing"))
		Eventually(func() string { return h.told("fine") }).Should(And(ContainSubstring("CheckFailing=1"), MatchRegexp("CheckPassing=1.*CheckPassing=1")))
		Expect(h.one("web").Status.PID).To(Equal(pid))
	})

	It("goes on after the death of the operator, and tells nothing twice", func() {
		begin()
		Eventually(func() string { return h.told("fine") }).Should(Equal("CheckPassing=1"))
		_, errs, code := h.ctlIn(object("Principal", "more", "type: Human"), "apply", "-f", "-") // with it what came before is on the disk
		Expect(code).To(BeZero(), errs)
		last := func() string { return h.must("get", "check", "fine", "-o", "jsonpath={.status.lastRun.started}") }
		h.killOperator()
		was := last()
		Eventually(last).WithTimeout(5 * time.Second).ShouldNot(Equal(was))
		Expect(h.told("fine")).To(Equal("CheckPassing=1"))
		Expect(h.condition("process", "web", "Healthy")).To(Equal("True ChecksPassing"))
	})

	It("whose target is gone says so, and looks at what comes in its place", func() {
		begin()
		h.remove("check.yaml") // a set with it and without its target would be refused
		Eventually(func() string { return h.condition("process", "web", "Healthy") }).Should(BeEmpty(), "a removed check takes its condition away")
		_, errs, code := h.ctlIn(check(), "apply", "-f", "-")
		Expect(code).To(BeZero(), errs)
		Eventually(func() string { return h.condition("check", "fine", "Passing") }).Should(Equal("True Passing"))
		h.write("web.yaml", object("Process", "other", "command: [sleep, '1000']", "terminationGracePeriodSeconds: 1"))
		Eventually(func() string { return h.condition("check", "fine", "ResolvedRefs") }).Should(Equal("False RefsNotFound"))
		Expect(h.condition("check", "fine", "Passing")).To(Equal("Unknown RefsNotFound"))
		out, _, code := h.ctl("check", "run", "fine")
		Expect(code).To(Equal(1))
		Expect(out).To(ContainSubstring("check/fine Unknown: no measurement could be made"))
		h.write("web.yaml", web)
		Eventually(func() string { return h.condition("check", "fine", "Passing") }).Should(Equal("True Passing"))
	})

	It("is refused where it cannot work, at its place", func() {
		begin()
		h.write("check.yaml", check("count: 3"), object("Check", "lost", "target: {process: wbe}", "tcpSocket: {port: http}"))
		Eventually(func() string { out, _, _ := h.ctl("status"); return out }).Should(And(
			MatchRegexp(`check.yaml:\d+:\d+  spec.schedule.every: "1s": is shorter than a run can take, which is 4.7s`),
			MatchRegexp(`check.yaml:\d+:\d+  spec.target.process: no process "wbe", did you mean "web"\?`)))
	})
})
