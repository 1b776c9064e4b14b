package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
)

var _ = Describe("A chat", func() {
	It("is forwarded as it was validated, but for the model's name, and recorded twice", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		r := w.ask(`{ "temperature":0.10, "model" : "house-chat","messages":[{"role":"user","content":"h\u0069"}] }`)
		Expect(r.StatusCode).To(Equal(200), r.body)
		Expect(r.body).To(Equal(answer))
		Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Allowed"))
		Expect(r.Header.Get("X-MirrorGate-Rule")).To(Equal("agents-may-chat"))
		Expect(r.Header.Get("X-MirrorGate-Edits")).To(Equal("model"))
		body, head, path := m.last()
		Expect(body).To(Equal(`{ "temperature":0.10, "model" : "demo","messages":[{"role":"user","content":"h\u0069"}] }`))
		Expect(path).To(Equal(chatPath))
		Expect(head).NotTo(HaveKey("Authorization"))
		records := w.records(r.id(), 2)
		Expect(records[0]).To(And(HaveField("Kind", audit.KindDecision), HaveField("Decision", audit.Allowed), HaveField("Reason", "RuleAllowed"),
			HaveField("Stage", 4), HaveField("Principal", "coder"), HaveField("Token", "t1"), HaveField("Model", "house-chat"), HaveField("Route", "chat"),
			HaveField("Rule", "agents-may-chat"), HaveField("Backend", "process/demo"), HaveField("Snapshot", int64(1)), HaveField("RequestDigest", HaveLen(64))))
		Expect(records[1]).To(And(HaveField("Kind", audit.KindOutcome), HaveField("Decision", audit.Allowed), HaveField("Status", 200),
			HaveField("InputTokens", int64(11)), HaveField("OutputTokens", int64(7)), HaveField("ResponseSize", int64(len(answer))),
			HaveField("ResponseDigest", sum(answer))))
	})

	DescribeTable("has its output bounded by the route",
		func(fill, most int64, body, forwarded, edits, outcome string) {
			m := newModel(answers)
			w := newWorld(m.address(), func(w *world) {
				r := &w.gate().Routes[0]
				r.DefaultOutputTokens, r.MaxOutputTokens, r.Backends[0].Model = fill, most, ""
			})
			r := w.ask(body)
			Expect(r.StatusCode).To(Equal(200), r.body)
			got, _, _ := m.last()
			Expect(got).To(Equal(forwarded))
			Expect(r.Header.Get("X-MirrorGate-Edits")).To(Equal(edits))
			Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal(outcome))
		},
		Entry("none asked for, the default is put in", int64(9), int64(99), `{"model":"house-chat"}`, `{"max_tokens":9,"model":"house-chat"}`, "max_tokens", "Rewritten"),
		Entry("no default, the most is put in", int64(0), int64(99), `{"model":"house-chat"}`, `{"max_tokens":99,"model":"house-chat"}`, "max_tokens", "Rewritten"),
		Entry("null is none", int64(9), int64(99), `{"max_tokens":null,"model":"house-chat"}`, `{"max_tokens":9,"model":"house-chat"}`, "max_tokens", "Rewritten"),
		Entry("less stays", int64(9), int64(99), `{"max_tokens":50,"model":"house-chat"}`, `{"max_tokens":50,"model":"house-chat"}`, "", "Allowed"),
		Entry("more is lowered, by either name", int64(9), int64(99), `{"max_tokens":100,"model":"house-chat","max_completion_tokens":1000}`,
			`{"max_tokens":99,"model":"house-chat","max_completion_tokens":99}`, "max_tokens, max_completion_tokens", "Rewritten"),
		Entry("the field of another operation bounds nothing", int64(9), int64(99), `{"max_output_tokens":5,"model":"house-chat"}`,
			`{"max_tokens":9,"max_output_tokens":5,"model":"house-chat"}`, "max_tokens", "Rewritten"),
		Entry("no limit, nothing is put in", int64(0), int64(0), `{"model":"house-chat"}`, `{"model":"house-chat"}`, "", "Allowed"),
	)

	It("streams each piece as it comes, and has the usage without showing what the caller did not ask for", func() {
		next := make(chan struct{})
		m := newModel(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, e := range []string{`{"choices":[{"delta":{"content":"a"}}],"usage":null}`, `{"choices":[{"delta":{"content":"b"}}],"usage":null}`} {
				_, _ = io.WriteString(w, "data: "+e+"\n\n")
				w.(http.Flusher).Flush()
				<-next
			}
			_, _ = io.WriteString(w, `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`+"\n\ndata: [DONE]\n\n")
		})
		w := newWorld(m.address(), nil)
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		buf := make([]byte, 1000)
		for _, letter := range []string{"a", "b"} {
			n, err := resp.Body.Read(buf)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(buf[:n])).To(ContainSubstring(`"content":"` + letter + `"`))
			Expect(w.server.Counts().Gates[0].Streams).To(Equal(int64(1)))
			next <- struct{}{}
		}
		rest, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(rest)).To(Equal("data: [DONE]\n\n"))
		body, _, _ := m.last()
		Expect(body).To(Equal(`{"stream_options":{"include_usage":true},"model":"demo","stream":true}`))
		Expect(resp.Header.Get("X-MirrorGate-Edits")).To(Equal("stream_options, model"))
		outcome := w.records(resp.Header.Get("X-MirrorGate-Request-Id"), 2)[1]
		Expect(outcome.InputTokens).To(Equal(int64(3)))
		Expect(outcome.OutputTokens).To(Equal(int64(2)))
	})

	It("shows the usage to a caller who asked for it", func() {
		m := newModel(sse(`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"))
		w := newWorld(m.address(), nil)
		r := w.ask(`{"model":"house-chat","stream":true,"stream_options":{"include_usage":true}}`)
		Expect(r.body).To(ContainSubstring(`"prompt_tokens":3`))
		Expect(w.records(r.id(), 2)[1].OutputTokens).To(Equal(int64(2)))
	})

	DescribeTable("is refused in OpenAI's own shape",
		func(edit func(*world), token, body string, status int, reason string) {
			m := newModel(answers)
			w := newWorld(m.address(), edit)
			r := w.askAs(token, body)
			Expect(r.StatusCode).To(Equal(status), r.body)
			Expect(r.reason()).To(Equal(reason))
			fault := object(r.body)["error"].(map[string]any)
			Expect(fault["message"]).To(And(HavePrefix("refused by mirrorgate: "), ContainSubstring("(request "+r.id()+")")))
			Expect(fault).To(HaveKey("code"))
			Expect(m.calls()).To(BeZero())
			record := w.records(r.id(), 1)[0]
			Expect(record.Kind).To(Equal(audit.KindDecision))
			Expect(record.Reason).To(Equal(reason))
			Expect(record.Status).To(Equal(status))
		},
		Entry("without a rule that allows it", nil, "scout-token", chat, 403, "NoRule"),
		Entry("with a rule that denies it", func(w *world) {
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "no", Priority: 100, Action: "Deny", When: `llm.messages > 0`, Reason: "not today"})
		}, "coder-token", chat, 403, "RuleDenied"),
		Entry("with a condition that fails", func(w *world) {
			w.gate().Rules[0].When = `principal.labels["none"] == "x"`
		}, "coder-token", chat, 403, "RuleError"),
		Entry("with a rule that ended", func(w *world) { w.gate().Rules[0].Expires = time.Now() }, "coder-token", chat, 403, "NoRule"),
		Entry("with a token that is not known", nil, "other", chat, 401, "UnknownToken"),
		Entry("with a token that has expired", func(w *world) { w.who.Tokens[0].Expires = time.Now() }, "coder-token", chat, 401, "TokenExpired"),
		Entry("with a token for other routes", func(w *world) { w.who.Tokens[0].Scope = []string{"x"} }, "coder-token", chat, 403, "TokenScope"),
		Entry("with a suspended principal", func(w *world) { w.who.Principals[0].Suspended = true }, "coder-token", chat, 401, "PrincipalSuspended"),
		Entry("with a principal that is gone", func(w *world) { w.who.Principals = w.who.Principals[1:] }, "coder-token", chat, 401, "UnknownPrincipal"),
		Entry("with a gate that takes no tokens", func(w *world) { w.gate().Tokens = false }, "coder-token", chat, 401, "UnknownToken"),
		Entry("for a model without a route", nil, "coder-token", `{"model":"x"}`, 404, "NoModel"),
		Entry("without a model", nil, "coder-token", `{"messages":[]}`, 400, "BadRequest"),
		Entry("with the model twice", nil, "coder-token", `{"model":"house-chat","model":"x"}`, 400, "BadJSON"),
		Entry("with a fraction of a token", nil, "coder-token", `{"model":"house-chat","max_tokens":1.5}`, 400, "BadJSON"),
		Entry("with tokens below zero", nil, "coder-token", `{"model":"house-chat","max_tokens":-1}`, 400, "BadJSON"),
		Entry("larger than the gate takes", nil, "coder-token", `{"model":"house-chat","x":"`+strings.Repeat("x", 64<<10)+`"}`, 413, "BodyTooLarge"),
		Entry("without a backend that is ready", func(w *world) { w.ready.Ready = nil }, "coder-token", chat, 503, "BackendNotReady"),
		Entry("with a remote backend in a sealed stack", func(w *world) {
			r := &w.gate().Routes[0]
			r.Locality, r.Backends[0].Remote = proxy.Sealed, true
		}, "coder-token", chat, 403, "SealedRoute"),
		Entry("with a remote backend and a rule that does not allow it", func(w *world) { w.gate().Routes[0].Backends[0].Remote = true },
			"coder-token", chat, 403, "RemoteNotAllowed"),
	)

	It("leaves the host where the rule says so, and the record tells", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			w.gate().Routes[0].Backends[0].Remote = true
			w.gate().Rules[0].AllowRemote = true
		})
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(200), r.body)
		Expect(w.records(r.id(), 2)[0].Remote).To(BeTrue())
	})

	It("tells the words of the rule that denies", func() {
		w := newWorld("127.0.0.1:1", func(w *world) {
			w.gate().Rules[0] = proxy.RuleConfig{Name: "no", Action: "Deny", Reason: "keys stay at home"}
		})
		Expect(w.ask(chat).body).To(ContainSubstring("refused by mirrorgate: keys stay at home (request "))
	})

	It("counts a rule in Shadow and goes on", func() {
		m := newModel(answers)
		w := newWorld(m.address(), func(w *world) {
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "maybe", Priority: 1, Action: "Deny", Shadow: true},
				proxy.RuleConfig{Name: "faulty", Priority: 2, Action: "Deny", Shadow: true, When: `principal.labels["none"] == "x"`})
		})
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(200), r.body)
		Expect(w.records(r.id(), 2)[0].Shadow).To(Equal([]string{"maybe"}))
		rules := map[string][2]int64{}
		for _, c := range w.server.Counts().Rules {
			rules[c.Name] = [2]int64{c.Hits, c.Shadow}
		}
		Expect(rules).To(Equal(map[string][2]int64{"maybe": {0, 1}, "agents-may-chat": {1, 0}}))
	})

	It("is refused when its decision cannot be recorded", func() {
		m := newModel(answers)
		w := newWorld(m.address(), nil)
		w.book.fail.Store(true)
		r := w.ask(chat)
		Expect(r.StatusCode).To(Equal(503))
		Expect(r.reason()).To(Equal("AuditFailed"))
		Expect(m.calls()).To(BeZero())
	})
})
