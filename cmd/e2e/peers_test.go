package e2e

import (
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a gate that takes peer credentials", func() {
	asker := `$BIN/demoworker --base-url "$GATE/v1" --model house-chat --every 100ms`
	// worker asks the gate again and again without a token, by way of a shell command.
	worker := func(name, command string, more ...string) string {
		return object("Process", name, append([]string{fmt.Sprintf("command: [sh, -c, %q]", command),
			fmt.Sprintf("env: [{name: BIN, value: %s}, {name: GATE, value: \"$(MIRROROS_GATE_FRONT)\"}]", bin)}, more...)...)
	}
	begin := func(h *host, listen string) {
		GinkgoHelper()
		docs := front("m")
		docs[0] = object("Gate", "front", "listen: {"+listen+"}", "authentication: {tokens: false, peerCredentials: true}", "durability: Process")
		h.write("gate.yaml", append(docs, model("m", "0s"), worker("agent", "exec "+asker, "principal: scout"),
			worker("daemon", "setsid "+asker+" & wait"))...)
		h.start()
		h.ready()
	}

	// nobody: without cgroups nobody can be known. The gate says so, and lets nobody in.
	nobody := func(h *host) bool {
		GinkgoHelper()
		if !strings.Contains(h.must("get", "gate", "front", "-o", "yaml"), "NoCgroups") {
			return false
		}
		Eventually(func() []map[string]any { return h.records("--kind", "decision", "--decision", "Refused") }).Should(ContainElement(
			HaveKeyWithValue("reason", "NoCredentials")))
		Expect(h.records("--kind", "decision", "--decision", "Allowed")).To(BeEmpty())
		return true
	}

	It("knows a workload by the cgroup of its connection, whatever process of it calls, and nobody else", func() {
		h := newHost()
		begin(h, `address: "127.0.0.1:0"`)
		url := h.serving("front")
		if nobody(h) {
			return
		}
		Eventually(func() string { return h.must("logs", "agent", "--tail", "1") }).Should(ContainSubstring("mirror"))
		h.recorded(Not(BeEmpty()), "--kind", "decision", "--decision", "Allowed", "--route", "chat") // what it asks is in its log as well
		allowed := h.records("--kind", "decision", "--decision", "Allowed", "--route", "chat")
		Expect(allowed).To(HaveEach(And(HaveKeyWithValue("principal", "scout"), HaveKeyWithValue("instance", h.one("agent").Name), Not(HaveKey("token")))))
		Eventually(func() []map[string]any { return h.records("--kind", "decision", "--principal", "process/daemon") }).Should(ContainElement(And(
			HaveKeyWithValue("reason", "NoRule"), HaveKeyWithValue("instance", h.one("daemon").Name))), "a session of its own makes it nobody else")

		stranger := newClient(url, "").post(chatPath, ask("x"))
		Expect(stranger.Status).To(Equal(http.StatusUnauthorized))
		h.recorded(ConsistOf(And(HaveKeyWithValue("reason", "NoCredentials"), Not(HaveKey("principal")))), "--request", stranger.ID())

		h.killOperator()
		was := len(h.records("--kind", "decision", "--decision", "Allowed", "--route", "chat"))
		Eventually(func() int { return len(h.records("--kind", "decision", "--decision", "Allowed", "--route", "chat")) }).Should(BeNumerically(">", was+3))
		pid := h.pidOf("agent")
		kill(pid)
		Eventually(func() int { return h.pidOf("agent") }).ShouldNot(Equal(pid))
		Eventually(func() string { return h.must("logs", "agent", "--tail", "1") }).Should(ContainSubstring("mirror"), "its next life is known too")
	})

	It("says so where an ordinary user's instances have no cgroups, and lets nobody in", func() {
		h := newHost()
		h.ordinary()
		begin(h, `address: "127.0.0.1:0"`)
		h.serving("front")
		if !nobody(h) {
			Eventually(func() string { return h.must("logs", "agent", "--tail", "1") }).Should(ContainSubstring("mirror"))
		}
	})
})
