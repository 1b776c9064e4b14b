package e2e

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/specs"
)

var _ = Describe("a budget of calls", func() {
	var h *host
	var c *client
	var backend *counted
	// agents is a budget of calls that never resets; more are further lines.
	agents := func(name string, limits string) string {
		return object("TokenBudget", name, "principals: {types: [Agent]}", "account: Each", "limits: ["+limits+"]")
	}
	begin := func(limits string) {
		GinkgoHelper()
		backend = newCounted()
		h = newHost()
		h.write("gate.yaml", countedFront(backend)...)
		h.write("budget.yaml", agents("agents", limits))
		h.start()
		h.ready()
		h.must("wait", "tokenbudget/agents", "--timeout", "10s")
		c = newClient(h.serving("front"), h.token("scout"))
	}
	asked := func() int { return c.post(chatPath, ask("x")).Status }
	spendAll := func(calls int) {
		GinkgoHelper()
		for range calls {
			Expect(asked()).To(Equal(200))
		}
		Expect(asked()).To(Equal(429))
	}
	message := func(kind, name, condition string) string {
		GinkgoHelper()
		return h.must("get", kind, name, "-o", fmt.Sprintf(`jsonpath={.status.conditions[?(@.type==%q)].message}`, condition))
	}

	It("knows what was spent when it is renamed, gets another window, or is deleted and made again, and forgets at a reset alone", func() {
		begin("{name: calls, requests: 3}")
		spendAll(3)
		h.write("budget.yaml", agents("others", "{name: requests, requests: 3}"))
		Eventually(func() int { _, _, code := h.ctl("wait", "tokenbudget/others", "--timeout", "5s"); return code }).Should(BeZero())
		Expect(asked()).To(Equal(429), "renamed")
		h.write("budget.yaml", agents("others", "{name: requests, requests: 3, window: {sliding: 24h}}, {name: month, requests: 100, window: {calendar: Month, timeZone: Europe/Berlin}}"))
		Eventually(func() string { return h.must("budget", "show", "others") }).Should(ContainSubstring("month"))
		h.must("wait", "tokenbudget/others", "--timeout", "10s")
		Expect(asked()).To(Equal(429), "with another window")
		h.remove("budget.yaml")
		Eventually(asked).Should(Equal(200), "there is no budget")
		h.write("budget.yaml", agents("agents", "{name: calls, requests: 4}"))
		Eventually(asked).Should(Equal(429), "made again")
		Eventually(func() int { _, _, code := h.ctl("wait", "tokenbudget/agents", "--timeout", "5s"); return code }).Should(BeZero())
		Eventually(func() int64 { return h.limitsOf("agents")["calls"] }).Should(BeEquivalentTo(4))
		h.must("budget", "reset", "agents", "--reason", "a test")
		spendAll(4)
	})

	It("bounds a process that is run as an agent", func() {
		begin("{name: calls, requests: 3}")
		h.write("coder.yaml", object("Principal", "coder", "type: Agent"),
			object("GateRule", "coder-may-chat", "routes: [chat]", "principals: {names: [coder]}", "action: Allow", "reason: it writes"),
			object("Process", "writer", fmt.Sprintf("command: [%s/demoworker, --base-url, \"$(MIRROROS_GATE_FRONT)/v1\", --model, house-chat, --every, 50ms]", bin),
				"principal: coder", "env: [{name: OPENAI_API_KEY, valueFrom: {token: {ttl: 1h}}}]", "restartBackoff: {initial: 100ms}"))
		Eventually(func() string { return message("tokenbudget", "agents", "Exhausted") }).Should(ContainSubstring("calls of coder"))
		refused := func() string { return h.must("get", "tokenbudget", "agents", "-o", "jsonpath={.status.exceeded}") }
		Eventually(refused).ShouldNot(BeElementOf("0\n", "\n"))
		Expect(backend.begun.Load()).To(BeEquivalentTo(3))
		Expect(h.must("budget", "show", "agents", "--by", "principal")).To(MatchRegexp(`coder +33 +21 +3 +\d+\n`))
		Expect(asked()).To(Equal(200), "scout has an account of its own")
	})

	It("lets nothing through with a ledger that is damaged or of a newer version, says what is wrong and what to do, and goes on with what was spent", func() {
		begin("{name: calls, requests: 6}")
		Expect(asked()).To(Equal(200))
		Expect(asked()).To(Equal(200))
		logs, err := filepath.Glob(h.state + "/gate/ledger/*.log")
		Expect(err).NotTo(HaveOccurred())
		Expect(logs).To(HaveLen(1))
		for said, change := range map[string]func([]byte){
			"is damaged":          func(b []byte) { b[60] ^= 1 },
			"start the newer":     func(b []byte) { binary.LittleEndian.PutUint32(b[8:], 2) },
			"does not begin as a": func(b []byte) { copy(b, "nonsense") },
		} {
			h.limitsOf("agents") // nothing is under way
			whole, err := os.ReadFile(logs[0])
			Expect(err).NotTo(HaveOccurred())
			bad := append([]byte(nil), whole...)
			change(bad)
			Expect(os.WriteFile(logs[0], bad, 0o600)).To(Succeed())
			old := h.pidOf(specs.SystemProcess)
			kill(old)
			Eventually(func() int { return h.pidOf(specs.SystemProcess) }).ShouldNot(Equal(old))
			Eventually(asked).Should(Equal(503), said)
			Eventually(func() string { return message("tokenbudget", "agents", "Ready") }).Should(And(ContainSubstring(said), ContainSubstring(logs[0])))
			status, _, code := h.ctl("status")
			Expect(code).To(Equal(1))
			Expect(status).To(ContainSubstring("tokenbudget/agents   LedgerUnreadable"))
			out, errs, code := h.ctl("budget", "verify")
			Expect(code).NotTo(BeZero())
			Expect(out + errs).To(ContainSubstring(filepath.Base(logs[0])))
			Expect(os.WriteFile(logs[0], whole, 0o600)).To(Succeed()) // from the backup
			Eventually(asked).Should(Equal(200), "it is tried again with a call")
			h.must("wait", "tokenbudget/agents", "--timeout", "10s")
		}
		spendAll(1)
		Expect(h.must("budget", "verify")).To(ContainSubstring("all adds up"))
	})

	It("stops a route whose backend takes more than it was told to, says so, and how to go on", func() {
		begin("{name: calls, requests: 100}")
		honest := backend.says.Load()
		lie := `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":4000}}`
		backend.says.Store(&lie)
		Expect(asked()).To(Equal(200))
		backend.says.Store(honest)
		var a answer
		Eventually(func() int { a = c.post(chatPath, ask("x")); return a.Status }).Should(Equal(503))
		Expect(a.Body).To(And(ContainSubstring("4000 tokens where the cap was 64"), ContainSubstring("restarts the gate")))
		Eventually(func() string { return message("route", "chat", "Ready") }).Should(And(ContainSubstring("4000 tokens"), ContainSubstring("mirrorctl restart mirrorgate")))
		c.http.CloseIdleConnections() // it drains before it ends
		h.must("restart", "mirrorgate", "--wait", "--timeout", "20s")
		Eventually(asked).Should(Equal(200))
		h.must("wait", "route/chat", "--timeout", "10s")
	})
})
