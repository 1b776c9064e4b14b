package e2e

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("going back to an older revision", func() {
	It("replaces what changed and nothing else, is held through a kill -9, and ends with a retry", func() {
		h := newHost()
		h.write("web.yaml", process("web", []string{"run", "one"}))
		h.write("other.yaml", process("other", []string{"run", "other"}))
		h.start()
		h.ready()
		other := h.pidOf("other")
		h.write("web.yaml", process("web", []string{"run", "two"}))
		Eventually(h.copies).Should(Equal(map[string]int{"two": 1, "other": 1}))
		h.ready()

		out, errs, code := h.ctl("rollout", "diff", "last-good", "live")
		Expect(code).To(Equal(1), out+errs)
		Expect(out).To(And(ContainSubstring("-  - one"), ContainSubstring("+  - two"), Not(ContainSubstring("process/other"))))
		out = h.must("rollout", "undo")
		Expect(out).To(And(ContainSubstring("programs stay as they are now"), MatchRegexp(`~ process/web +replace`), ContainSubstring("went back from revision")))
		Eventually(h.copies).Should(Equal(map[string]int{"one": 1, "other": 1}))
		Expect(h.status()).To(And(HavePrefix("exit 1"), ContainSubstring("disk is held"), ContainSubstring("mirrorctl rollout retry stack/default")))
		Expect(h.must("rollout", "history")).To(MatchRegexp(`(?m)went back to revision \d+ *$`))
		h.killOperator()
		Eventually(h.status).Should(ContainSubstring("disk is held"))
		Expect(h.copies()).To(Equal(map[string]int{"one": 1, "other": 1}))
		Expect(strings.TrimSpace(h.must("rollout", "show", "live", "-o", "yaml"))).To(ContainSubstring("run"))

		Expect(h.must("rollout", "retry")).To(ContainSubstring("1 updated"))
		Eventually(h.copies).Should(Equal(map[string]int{"two": 1, "other": 1}))
		h.ready()
		Expect(h.pidOf("other")).To(Equal(other), "what did not change was touched")
		Expect(h.must("audit", "query", "--dir", h.state+"/audit", "--since", "1h", "--kind", "change")).To(ContainSubstring("went back from revision"))
	})
})
