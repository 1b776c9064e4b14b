package proxy_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// anthropic adds a route of that dialect.
func anthropic(w *world) {
	r := w.gate().Routes[0]
	r.Name, r.Protocol, r.Models, r.MaxOutputTokens = "messages", proxy.Anthropic, []string{"house-chat", "claude-*"}, 100
	w.gate().Routes = append(w.gate().Routes, r)
	w.gate().Rules[0].Routes = []string{"chat", "messages"}
}

var _ = Describe("The list of models", func() {
	edit := func(w *world) {
		anthropic(w)
		other := w.gate().Routes[0]
		other.Name, other.Models = "other", []string{"a-model", "wild-*", "zoo/model"}
		w.gate().Routes = append(w.gate().Routes, other)
		w.gate().Rules = append(w.gate().Rules,
			proxy.RuleConfig{Name: "scouts", Priority: 5, Types: []string{"Human"}, Routes: []string{"other"}, When: `llm.model != "a-model"`, Action: "Allow"})
	}

	DescribeTable("holds what the caller may use, by the rules that decide a call",
		func(token, version, body string) {
			w := newWorld("", edit)
			req := w.request("GET", "/v1/models", "")
			req.Header.Set("Authorization", "Bearer "+token)
			if version != "" {
				req.Header.Set("Anthropic-Version", version)
			}
			r := w.do(req)
			Expect(r.StatusCode).To(Equal(200))
			Expect(r.body).To(MatchJSON(body))
			Expect(w.records(r.id(), 2)[0].Reason).To(Equal("Own"))
			Expect(w.server.Counts().Rules).To(BeEmpty(), "looking is no use of a rule")
		},
		Entry("the coder's", "coder-token", "", `{"object":"list","data":[{"id":"house-chat","object":"model","created":0,"owned_by":"mirrorgate"}]}`),
		Entry("the scout's", "scout-token", "", `{"object":"list","data":[{"id":"zoo/model","object":"model","created":0,"owned_by":"mirrorgate"}]}`),
		Entry("Anthropic's", "coder-token", "2023-06-01", `{"data":[{"type":"model","id":"house-chat","display_name":"house-chat","created_at":"1970-01-01T00:00:00Z"}],
			"has_more":false,"first_id":"house-chat","last_id":"house-chat"}`),
		Entry("Anthropic's of the scout", "scout-token", "2023-06-01", `{"data":[],"has_more":false,"first_id":null,"last_id":null}`),
	)

	It("gives one model, or none that the caller may not use", func() {
		w := newWorld("", edit)
		Expect(w.do(w.request("GET", "/v1/models/house-chat", "")).body).To(MatchJSON(`{"id":"house-chat","object":"model","created":0,"owned_by":"mirrorgate"}`))
		denied, unknown := w.do(w.request("GET", "/v1/models/a-model", "")), w.do(w.request("GET", "/v1/models/x", ""))
		Expect(denied.StatusCode).To(Equal(404))
		Expect(denied.reason()).To(Equal(unknown.reason()))
		req := w.request("GET", "/v1/models/zoo/model", "")
		req.Header.Set("Authorization", "Bearer scout-token")
		Expect(w.do(req).StatusCode).To(Equal(200))
	})
})

var _ = Describe("Anthropic's messages", func() {
	messages := func(w *world, path, body string) reply {
		req := w.request("POST", path, body)
		req.Header.Del("Authorization")
		req.Header.Set("X-Api-Key", "coder-token")
		req.Header.Set("Anthropic-Version", "2023-06-01")
		return w.do(req)
	}

	It("go on with their version, and their usage is known", func() {
		m := newModel(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"type":"message","content":[],"usage":{"input_tokens":4,"cache_read_input_tokens":3,"output_tokens":5}}`))
		})
		w := newWorld(m.address(), anthropic)
		r := messages(w, "/v1/messages", `{"model":"claude-haiku-x","max_tokens":1000,"messages":[]}`)
		Expect(r.StatusCode).To(Equal(200), r.body)
		body, head, _ := m.last()
		Expect(body).To(Equal(`{"model":"demo","max_tokens":100,"messages":[]}`))
		Expect(head.Get("Anthropic-Version")).To(Equal("2023-06-01"))
		Expect(head).NotTo(HaveKey("X-Api-Key"))
		Expect(w.records(r.id(), 2)[1]).To(And(HaveField("InputTokens", int64(7)), HaveField("OutputTokens", int64(5))))
	})

	It("stream", func() {
		m := newModel(sse(`{"type":"message_start","message":{"id":"m","usage":{"input_tokens":25,"output_tokens":1}}}`,
			`{"type":"content_block_delta","delta":{"text":"\"usage\":{\"output_tokens\":99}"}}`, `{"type":"message_delta","delta":{},"usage":{"output_tokens":15}}`))
		w := newWorld(m.address(), anthropic)
		r := messages(w, "/v1/messages", `{"model":"house-chat","max_tokens":10,"stream":true,"messages":[]}`)
		Expect(r.Header.Get("X-MirrorGate-Edits")).To(Equal("model"), "nothing is asked for that comes by itself")
		Expect(w.records(r.id(), 2)[1]).To(And(HaveField("InputTokens", int64(25)), HaveField("OutputTokens", int64(15))))
	})

	It("have their tokens counted, without a cap", func() {
		m := newModel(answers)
		w := newWorld(m.address(), anthropic)
		Expect(messages(w, "/v1/messages/count_tokens", `{"model":"house-chat","messages":[]}`).StatusCode).To(Equal(200))
		body, _, path := m.last()
		Expect(body).To(Equal(`{"model":"demo","messages":[]}`))
		Expect(path).To(Equal("/v1/messages/count_tokens"))
	})

	It("are refused in Anthropic's shape", func() {
		w := newWorld("", anthropic)
		r := messages(w, "/v1/messages", `{"model":"x","max_tokens":10}`)
		Expect(r.StatusCode).To(Equal(404))
		Expect(object(r.body)).To(And(HaveKeyWithValue("type", "error"), HaveKeyWithValue("request_id", r.id()),
			HaveKeyWithValue("error", And(HaveKeyWithValue("type", "not_found_error"), HaveKeyWithValue("message", HavePrefix("refused by mirrorgate: "))))))
	})
})
