package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("locality", func() {
	cloud := func(url string) string {
		return object("Route", "cloud", "gate: front", "protocol: OpenAI", "match: {models: [cloud]}", "backends: [{url: \""+url+"\", remote: true}]")
	}

	It("Sealed refuses a route that would leave the host, with its place and the reason, and changes nothing", func() {
		h := newHost()
		h.write("stack.yaml", stack("home", "locality: Sealed"))
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.start()
		h.ready()
		c := newClient(h.serving("front"), h.token("scout"))
		h.write("cloud.yaml", cloud("https://api.example.com/v1"))
		Eventually(h.status).Should(MatchRegexp(`cloud\.yaml:8:\d+ .*spec\.backends\[0\]\.remote.*Sealed`))
		Expect(h.must("get", "routes")).NotTo(ContainSubstring("cloud"))
		Expect(c.word("mirror")).To(Succeed(), "the last good set is in force")
		Expect(c.post(chatPath, `{"model":"cloud","messages":[{"role":"user","content":"x"}]}`).Status).To(Equal(404))
	})

	It("LocalFirst lets a request leave only by a rule that says allowRemote, and the record says so", func() {
		// 0.0.0.0 is not loopback to whoever reads the manifest, and Linux connects it to this host.
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		seen := make(chan http.Header, 10)
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r.Header
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`))
		})}}
		srv.Start()
		DeferCleanup(srv.Close)
		_, port, err := net.SplitHostPort(l.Addr().String())
		Expect(err).NotTo(HaveOccurred())

		h := newHost()
		h.write("stack.yaml", stack("home", "locality: LocalFirst"))
		h.write("gate.yaml", object("Gate", "front", `listen: {address: "127.0.0.1:0"}`, "durability: Process"), cloud("http://0.0.0.0:"+port),
			object("Principal", "scout", "type: Agent"), object("Principal", "coder", "type: Agent"),
			object("GateRule", "all-may-ask", "principals: {all: true}", "action: Allow", "reason: here"),
			object("GateRule", "coder-may-leave", "priority: 1", "principals: {names: [coder]}", "action: Allow", "allowRemote: true", "reason: anywhere"))
		h.start()
		h.ready()
		url := h.serving("front")
		body := `{"model":"cloud","messages":[{"role":"user","content":"x"}]}`
		no := newClient(url, h.token("scout")).post(chatPath, body)
		Expect(no.Status).To(Equal(403), no.Body)
		Expect(no.Body).To(ContainSubstring("leave the host"))
		Expect(seen).To(BeEmpty())
		h.recorded(ConsistOf(And(HaveKeyWithValue("reason", "RemoteNotAllowed"), HaveKeyWithValue("stage", 6.0))), "--request", no.ID(), "--kind", "decision")

		token := h.token("coder")
		yes := newClient(url, token).post(chatPath, body)
		Expect(yes.Status).To(Equal(200), yes.Body)
		Expect(<-seen).NotTo(HaveKey("Authorization"), "what a client brings stays here")
		Expect(h.records("--request", yes.ID(), "--kind", "decision")).To(ConsistOf(And(HaveKeyWithValue("remote", true), HaveKeyWithValue("rule", "coder-may-leave"))))
		Expect(h.status()).To(ContainSubstring("LocalFirst: 1 remote route (cloud)"))
	})
})
