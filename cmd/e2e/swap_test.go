package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a model behind a route", func() {
	It("is swapped for another in one save, and clients notice nothing", func() {
		h := newHost()
		h.write("gate.yaml", front("a")...)
		h.write("models.yaml", model("a", "30ms"), model("b", "30ms"))
		h.start()
		h.ready()
		url, token := h.serving("front"), h.token("scout")
		old := h.pidOf("a")
		l := hammer(3, url, token)
		l.more(10)
		s := newClient(url, token).open(long) // 51 tokens: it takes longer than the save
		h.write("all.yaml", append(front("b"), model("b", "30ms"))...)
		h.remove("gate.yaml")
		h.remove("models.yaml")
		Eventually(func() bool { return alive(old) }).Should(BeFalse(), "the old model is stopped")
		Eventually(s.ended).Should(BeClosed())
		Expect(s.whole()).To(Succeed(), "the old one is stopped only when its requests have ended")
		l.more(10)
		Expect(l.end()).To(BeEmpty())
		Expect(h.of("a")).To(BeEmpty())
		r := h.records("--kind", "decision", "--principal", "scout")
		Expect(r[0]).To(HaveKeyWithValue("backend", ContainSubstring("a")))
		Expect(r[len(r)-1]).To(And(HaveKeyWithValue("backend", Not(Equal(r[0]["backend"]))), HaveKeyWithValue("rule", "scout-may-chat")))
		h.ready()
	})

	It("is swapped for one that is declared in the same save, as soon as that can serve", func() {
		h := newHost()
		h.write("gate.yaml", append(front("a"), model("a", "30ms"))...)
		h.start()
		h.ready()
		url, token := h.serving("front"), h.token("scout")
		old := h.pidOf("a")
		l := hammer(3, url, token)
		l.more(10)
		h.write("gate.yaml", append(front("b"), model("b", "30ms"))...)
		Eventually(func() bool { return alive(old) }).Should(BeFalse())
		l.more(10)
		Expect(l.end()).To(BeEmpty())
	})

	It("is replaced by its next version while clients ask, and clients notice nothing", func() {
		h := newHost()
		h.write("gate.yaml", front("m")...)
		h.write("m.yaml", model("m", "30ms", "version: \"1\"", "strategy: {type: RollingUpdate}"))
		h.start()
		h.ready()
		url, token := h.serving("front"), h.token("scout")
		old := h.pidOf("m")
		l := hammer(3, url, token)
		l.more(10)
		s := newClient(url, token).open(long)
		h.write("m.yaml", model("m", "30ms", "version: \"2\"", "strategy: {type: RollingUpdate}"))
		Eventually(func() bool { return alive(old) }).Should(BeFalse())
		Eventually(s.ended).Should(BeClosed())
		Expect(s.whole()).To(Succeed(), "the old one is stopped only when its requests have ended")
		l.more(10)
		Expect(l.end()).To(BeEmpty())
	})
})
