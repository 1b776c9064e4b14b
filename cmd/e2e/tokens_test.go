package e2e

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a token", func() {
	begin := func(delay string) (*host, string) {
		GinkgoHelper()
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", delay))...)
		h.start()
		h.ready()
		return h, h.serving("front")
	}

	It("is shown once, listed without its text, and good for nothing from the moment that it is revoked", func() {
		h, url := begin("200ms")
		out, errs, code := h.ctl("token", "create", "scout", "--ttl", "1h", "--scope", "chat", "--reason", "a test")
		Expect(code).To(BeZero(), errs)
		token := strings.TrimSuffix(out, "\n")
		Expect(token).To(MatchRegexp(`^mgt_[\w-]{43}$`), "alone on standard output")
		file := h.dir + "/token"
		h.must("token", "create", "scout", "--output", file)
		info, err := os.Stat(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600))
		b, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		other := newClient(url, strings.TrimSpace(string(b)))

		list := h.must("token", "list", "scout")
		Expect(list).To(And(ContainSubstring("a test"), Not(ContainSubstring("mgt_"))))
		id := ""
		for line := range strings.Lines(list) {
			if strings.Contains(line, "a test") {
				id, _, _ = strings.Cut(line, " ")
			}
		}
		c := newClient(url, token)
		Expect(c.word("mirror")).To(Succeed())
		s, stays := c.open(long), other.open(long) // of 10 seconds
		h.must("token", "revoke", "scout", id)
		Eventually(s.ended).Should(BeClosed(), "an open stream is cut")
		Expect(s.whole()).NotTo(Succeed())
		Expect(c.post(chatPath, ask("x")).Status).To(Equal(401))
		Expect(other.word("mirror")).To(Succeed())
		Expect(stays.ended).NotTo(BeClosed(), "one of another token goes on")
		Eventually(func() []map[string]any { return h.records("--kind", "outcome", "--decision", "Failed") }).Should(ConsistOf(
			And(HaveKeyWithValue("reason", "Revoked"), HaveKeyWithValue("token", id))))

		h.must("suspend", "principal/scout")
		Eventually(stays.ended).Should(BeClosed())
		Eventually(func() string { return other.post(chatPath, ask("x")).Body }).Should(ContainSubstring("suspended"))
		h.must("resume", "principal/scout")
		Eventually(func() error { return other.word("mirror") }).Should(Succeed())
		Expect(h.must("audit", "query", "--kind", "change")).To(And(ContainSubstring("scout"), Not(ContainSubstring("mgt_"))))
		for _, secret := range []string{token, other.token} {
			Expect(holding(h.state, secret)).To(BeEmpty())
			Expect(holding(h.run, secret)).To(BeEmpty())
		}
	})
})

var _ = Describe("a refused request", func() {
	It("is explained, allowed for a while, and refused again", func() {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"),
			object("GateRule", "count-words", "priority: 5", "routes: [chat]", "when: llm.maxTokens > 5", "action: Deny", "mode: Shadow", "reason: counted"),
			object("GateRule", "no-floods", "priority: 10", "when: llm.maxTokens > 5000", "action: Deny", "reason: nobody needs that"))...)
		h.start()
		h.ready()
		c := newClient(h.serving("front"), h.token("scout"))
		much := ask("Say all.", `"max_tokens":2000`)
		none := c.post(chatPath, much)
		Expect(none.Status).To(Equal(403))
		why := h.why(none.ID())
		Expect(why).To(MatchRegexp(`scout -> route/chat .*REFUSED, stage 4 rules, snapshot \d+`))
		Expect(why).To(MatchRegexp(`(?m)^ +10 +no-floods +no match +.*gate\.yaml:\d+$`))
		Expect(why).To(MatchRegexp(`(?m)^ +1000 +scout-may-chat +no match +.*<- nearest +gate\.yaml:\d+$`))
		Expect(why).To(MatchRegexp(`(?m)^ +5 +count-words +Deny \(shadow\)`))
		Expect(why).To(ContainSubstring("mirrorctl allow " + none.ID()))

		denied := c.post(chatPath, ask("Say all.", `"max_tokens":6000`))
		Expect(denied.Body).To(ContainSubstring("nobody needs that"))
		Expect(h.why(denied.ID())).To(MatchRegexp(`no-floods +Deny`))

		cross := c.request("POST", chatPath, ask("x"))
		cross.Header.Set("Origin", "https://evil.example")
		site := c.send(cross)
		Expect(site.Status).To(Equal(403))
		Expect(h.why(site.ID())).To(And(ContainSubstring("REFUSED, stage 1 transport"), ContainSubstring("CrossSite")))
		h.recorded(ConsistOf(HaveKeyWithValue("reason", "CrossSite")), "--request", site.ID(), "--kind", "decision")
		twice := c.post(chatPath, `{"model":"chat","model":"other"}`)
		Expect(twice.Status).To(Equal(400))
		Expect(h.why(twice.ID())).To(And(ContainSubstring("BadJSON"), ContainSubstring("a name is there twice")))
		lost := c.post("/nowhere", "{}")
		Expect(lost.Status).To(Equal(404))
		Expect(h.why(lost.ID())).To(ContainSubstring("NoRoute"))

		Expect(h.must("can-i", "call", "chat", "--as", "scout", "--max-tokens", "500")).To(ContainSubstring("yes   by gaterule/scout-may-chat"))
		out, _, code := h.ctl("can-i", "call", "chat", "--as", "scout", "--max-tokens", "2000")
		Expect(code).To(Equal(1))
		Expect(out).To(ContainSubstring("no    no rule matches"))

		h.must("allow", none.ID(), "--for", "1h", "--reason", "tonight only")
		Eventually(func() int { return c.post(chatPath, much).Status }).Should(Equal(200))
		rule := "allow-" + strings.ToLower(none.ID())
		Expect(h.status()).To(MatchRegexp(`gaterule/` + rule + `  allowed by hand for .* more: tonight only`))
		h.must("delete", "gaterule/"+rule)
		Eventually(func() int { return c.post(chatPath, much).Status }).Should(Equal(403))

		Eventually(func() string { return h.must("get", "gaterules", "-o", "wide") }).Should(And(
			MatchRegexp(`(?m)^count-words .*Shadow`), MatchRegexp(`(?m)^no-floods .* 1 +0 `)))
		config := h.must("client-config", "scout", "--for", "openai", "--token-file", "/t")
		Expect(config).To(Equal("export OPENAI_BASE_URL=" + c.url + "/v1\nexport OPENAI_API_KEY=\"$(cat /t)\"\n"))
		Eventually(func() string { return h.must("top", "gates") }).Should(MatchRegexp(`(?m)^front +127\.0\.0\.1:\d+ +[\d.]+ +[1-9]\d* +[1-9]\d* +0 +[1-9]\d* +[1-9]\d*$`))
	})
})
