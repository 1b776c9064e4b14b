package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a gate in front of a model", func() {
	It("lets through what a rule allows, refuses the rest in words of the client, and records both", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.start()
		h.ready()
		c := newClient(h.serving("front"), h.token("scout"))
		a := c.post(chatPath, ask("Say the word mirror."))
		Expect(a.Err).NotTo(HaveOccurred())
		Expect(a.Body).To(ContainSubstring("mirror"))
		Expect(a.Header.Get("X-Mirrorgate-Decision")).To(Equal("Rewritten"))
		Expect(a.Header.Get("X-Mirrorgate-Rule")).To(Equal("scout-may-chat"))

		no := c.post(chatPath, ask("Say all.", `"max_tokens":1001`))
		Expect(no.Status).To(Equal(403), no.Body)
		Expect(no.Code()).To(Equal("gate_denied"))
		Expect(no.Body).To(ContainSubstring(fmt.Sprintf("(request %s)", no.ID())))
		Expect(c.post(chatPath, `{"model":"tiny","messages":[]}`).Status).To(Equal(404), "a model's own name is no route's")

		Expect(newClient(c.url, "").post(chatPath, ask("x")).Status).To(Equal(401))
		Expect(newClient(c.url, "mgt_guess").post(chatPath, ask("x")).Status).To(Equal(401))

		h.recorded(ConsistOf(And(HaveKeyWithValue("decision", "Refused"), HaveKeyWithValue("principal", "scout"),
			HaveKeyWithValue("reason", "NoRule"), HaveKeyWithValue("stage", 4.0))), "--request", no.ID(), "--kind", "decision")
		h.recorded(ConsistOf(And(HaveKeyWithValue("kind", "decision"), HaveKeyWithValue("rule", "scout-may-chat")),
			And(HaveKeyWithValue("kind", "outcome"), HaveKeyWithValue("status", 200.0))), "--request", a.ID())
		Eventually(func() string {
			return h.must("audit", "query", "--kind", "decision", "--count-by", "decision,principal")
		}).Should(Equal(
			"COUNT   DECISION    PRINCIPAL\n2       Refused     <none>\n2       Refused     scout\n1       Rewritten   scout\n"))
		Expect(h.must("audit", "tail", "-n", "4", "--kind", "decision")).To(And(ContainSubstring("NoCredentials"),
			ContainSubstring("UnknownToken"), Not(ContainSubstring("mgt_"))))
		Expect(h.must("audit", "verify")).To(MatchRegexp(`^(note .*\n)?ok .* lines in \d chains`))
	})

	It("answers every request while its operator is killed, also right after the model became ready", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.start()
		h.ready()
		l := hammer(3, h.serving("front"), h.token("scout"))
		l.more(10)
		for range 2 {
			h.killOperator()
			l.more(10)
		}
		h.write("gate.yaml", append(front("m"), model("m", "0s", "why: to be seen"))...)
		Eventually(func() string { return h.must("get", "process", "m", "-o", "jsonpath={.spec.why}") }).Should(ContainSubstring("seen"))
		Expect(l.end()).To(BeEmpty())
	})

	It("takes a request again in less than a second after its death", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.start()
		h.ready()
		url, token := h.serving("front"), h.token("scout")
		pid := h.pidOf("mirrorgate")
		began := time.Now()
		kill(pid)
		Expect(newClient(url, token).word("mirror")).To(Succeed())
		took := time.Since(began)
		GinkgoWriter.Println("answered after", took)
		Expect(took).To(BeNumerically("<", 2*time.Second), "a second, and one for a busy machine")
	})
})
