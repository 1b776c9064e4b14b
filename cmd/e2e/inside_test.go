package e2e

import (
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("from inside a process", func() {
	It("neither the operator's socket nor the gate's can be used", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.write("raise.yaml", object("Process", "raise", fmt.Sprintf("command: [%s/mirrorctl, --socket, %s/api.sock, token, create, scout]", bin, h.run),
			"restartPolicy: Never"))
		h.write("pretend.yaml", object("Process", "pretend", fmt.Sprintf("command: [%s/workload, hear, %s/gate.sock]", bin, h.run), "restartPolicy: Never"))
		h.start()
		Eventually(func() int32 { return h.lastExit("raise").ExitCode }).ShouldNot(BeNumerically("<=", 0))
		Expect(h.must("logs", "raise")).To(And(MatchRegexp(`(?i)workload|forbidden|instance`), Not(ContainSubstring("mgt_"))))
		Eventually(func() int32 { return h.lastExit("pretend").ExitCode }).Should(BeZero())
		Expect(h.must("logs", "pretend")).To(ContainSubstring("heard 0 bytes, 0 sockets"))
		Expect(h.must("token", "list")).NotTo(ContainSubstring("scout"))
	})

	It("its own tokens work while it runs, end with it, and are told nowhere", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "200ms"),
			object("Process", "agent", fmt.Sprintf("command: [%s/demoworker, --base-url, \"$(MIRROROS_GATE_FRONT)/v1\", --model, house-chat, --every, 100ms]", bin),
				"principal: scout", "env: [{name: OPENAI_API_KEY, valueFrom: {token: {ttl: 1h}}}]", "restartBackoff: {initial: 100ms}"),
			object("Process", "idle", fmt.Sprintf("command: [%s/workload, env, MIRROROS_TOKEN_FILE]", bin), "restartBackoff: {initial: 100ms}"),
			object("GateRule", "idle-may-chat", "principals: {names: [process/idle]}", "action: Allow", "reason: a test"))...)
		h.args = []string{"--log-level", "debug"}
		h.start()
		h.ready()
		url := h.serving("front")
		Eventually(func() string { return h.must("logs", "agent") }).Should(MatchRegexp(`(?m)mirror`), "the token in the environment works")
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.pidOf("agent")))
		Expect(err).NotTo(HaveOccurred())
		read := func(process string) string {
			b, err := os.ReadFile(h.run + "/tokens/" + h.one(process).Name + "/token")
			Expect(err).NotTo(HaveOccurred())
			return strings.TrimSpace(string(b))
		}
		secrets := []string{read("agent"), read("idle")}
		for v := range strings.SplitSeq(string(environ), "\x00") {
			if key, ok := strings.CutPrefix(v, "OPENAI_API_KEY="); ok {
				secrets = append(secrets, key)
			}
		}
		Expect(secrets).To(HaveEach(HavePrefix("mgt_")))
		Expect(secrets).To(HaveLen(3))
		c := newClient(url, secrets[1])
		s := c.open(long)
		Expect(h.records("--kind", "decision", "--principal", "process/idle")).To(ConsistOf(HaveKeyWithValue("instance", h.one("idle").Name)))
		Expect(h.must("get", "principal", "scout", "-o", "jsonpath={.status.instances}")).To(ContainSubstring("1"))

		h.killOperator()
		Expect(c.word("mirror")).To(Succeed(), "what a process has goes on without the operator")
		pid := h.pidOf("idle")
		kill(pid)
		Eventually(s.ended).Should(BeClosed(), "a stream of an instance that is gone is cut")
		Eventually(func() int { return c.post(chatPath, ask("x")).Status }).Should(Equal(401))
		Eventually(func() int { return h.pidOf("idle") }).ShouldNot(Equal(pid))
		again := read("idle")
		Expect(again).NotTo(Equal(secrets[1]))
		Eventually(func() error { return newClient(url, again).word("mirror") }).Should(Succeed())
		secrets = append(secrets, again)

		var said strings.Builder
		for _, args := range [][]string{{"get", "all", "-o", "yaml"}, {"get", "instances", "-o", "yaml"}, {"events", "-o", "json"}, {"describe", "process/agent"},
			{"status", "-o", "json"}, {"plan"}, {"logs", "agent"}, {"logs", "idle"}, {"logs", "mirrorgate"},
			{"token", "list", "-o", "json"}, {"audit", "query", "-o", "json"}} {
			out, errs, _ := h.ctl(args...)
			said.WriteString(out + errs)
		}
		said.Write(h.log.Contents())
		for _, secret := range secrets {
			Expect(said.String()).NotTo(ContainSubstring(secret))
			Expect(holding(h.state, secret)).To(BeEmpty())
		}
		Expect(holding(h.run, secrets[1])).To(BeEmpty(), "a token that is good for nothing is not kept")
	})
})
