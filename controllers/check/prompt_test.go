package check

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/reconciletest"
	"mirroros.dev/mirroros/specs"
)

var _ = DescribeTable("wrong",
	func(a said, took time.Duration, change func(*specs.CheckExpect), want string) {
		e := &specs.CheckExpect{}
		change(e)
		Expect(wrong(a, took, e)).To(Equal(want))
	},
	Entry("is nothing where nothing is expected", said{text: "x"}, time.Hour, func(*specs.CheckExpect) {}, ""),
	Entry("is a word that is missing", said{text: "a Mirror"}, time.Second, func(e *specs.CheckExpect) { e.Contains = []string{"a", "mirror"} }, `the answer does not contain "mirror"`),
	Entry("is a pattern that is not there", said{text: "a"}, time.Second, func(e *specs.CheckExpect) { e.Matches = []string{"^a$", "b"} }, `the answer does not match "b"`),
	Entry("is a pattern that is there", said{text: "As an AI"}, time.Second, func(e *specs.CheckExpect) { e.DoesNotMatch = []string{"(?i)as an ai"} }, `the answer matches "(?i)as an ai"`),
	Entry("is a refusal", said{refused: true}, time.Second, func(*specs.CheckExpect) {}, "it refuses"),
	Entry("is none, where one is expected", said{text: "sure"}, time.Second, func(e *specs.CheckExpect) { e.RefusalExpected = true }, "it does not refuse"),
	Entry("is not a refusal that is expected", said{refused: true, tokens: -1}, time.Second, func(e *specs.CheckExpect) { e.RefusalExpected, e.MaxTokens = true, new(int32) }, ""),
	Entry("is an answer that came late", said{}, 3*time.Second, func(e *specs.CheckExpect) { e.MaxLatency = &metav1.Duration{Duration: 2 * time.Second} }, "the answer took longer than 2s"),
	Entry("is an answer that is long", said{tokens: 5}, time.Second, func(e *specs.CheckExpect) { e.MaxTokens = new(int32); *e.MaxTokens = 4 }, "the answer has 5 tokens, more than 4"),
	Entry("is an answer of a length that nobody tells", said{tokens: -1}, time.Second, func(e *specs.CheckExpect) { e.MaxTokens = new(int32); *e.MaxTokens = 4 }, "the backend does not tell how many tokens the answer has"),
)

var _ = DescribeTable("what an answer says",
	func(read func([]byte) (said, error), body string, want said, fails bool) {
		got, err := read([]byte(body))
		Expect(err != nil).To(Equal(fails))
		Expect(got).To(Equal(want))
	},
	Entry("of OpenAI", readOpenAI, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":2}}`, said{"hi", false, 2}, false),
	Entry("of OpenAI that refuses", readOpenAI, `{"choices":[{"message":{"content":null,"refusal":"no"}}]}`, said{"", true, -1}, false),
	Entry("of OpenAI whose filter refuses", readOpenAI, `{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}`, said{"", true, -1}, false),
	Entry("of OpenAI that is none", readOpenAI, `{"choices":[]}`, said{}, true),
	Entry("of OpenAI that is no JSON", readOpenAI, `<html>`, said{}, true),
	Entry("of Anthropic", readAnthropic, `{"content":[{"type":"text","text":"h"},{"type":"thinking","text":"x"},{"type":"text","text":"i"}],"stop_reason":"end_turn","usage":{"output_tokens":2}}`, said{"hi", false, 2}, false),
	Entry("of Anthropic that refuses", readAnthropic, `{"content":[],"stop_reason":"refusal"}`, said{"", true, -1}, false),
	Entry("of Anthropic that is none", readAnthropic, `{"error":{}}`, said{}, true),
)

// gates are one gate with a route, chat.
type gates struct {
	address string
	fail    error
}

func (g *gates) Gates() map[string]string { return map[string]string{"front": g.address} }
func (g *gates) CheckToken(_ context.Context, route string) (string, error) {
	return "token-of-" + route, g.fail
}

var _ = Describe("a prompt", func() {
	var r *Reconciler
	var g *gates
	var c *specs.Check
	var answer func(w http.ResponseWriter, body map[string]any)
	BeforeEach(func() {
		client := reconciletest.TempClient(GinkgoTB())
		g = &gates{}
		r = New(Options{Client: client, Gates: g})
		rt := &specs.Route{ObjectMeta: metav1.ObjectMeta{Name: "chat"}, Spec: specs.RouteSpec{Gate: "front", Protocol: specs.ProtocolOpenAI, Match: specs.RouteMatch{Models: []string{"house"}}}}
		_, err := client.Create(context.Background(), rt)
		Expect(err).NotTo(HaveOccurred())
		c = &specs.Check{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: 1}, Spec: specs.CheckSpec{Target: specs.CheckTarget{Route: "chat"},
			Prompt: &specs.CheckPrompt{Messages: []specs.CheckMessage{{Role: "system", Content: "be brief"}, {Role: "user", Content: "say mirror"}}, Expect: &specs.CheckExpect{Contains: []string{"mirror"}}}}}
		answer = func(w http.ResponseWriter, _ map[string]any) {
			_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"mirror"}}]}`)
		}
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body := map[string]any{}
		_ = json.NewDecoder(q.Body).Decode(&body)
		body["path"], body["authorization"] = q.URL.Path, q.Header.Get("Authorization")
		answer(w, body)
	})
	serve := func() {
		s := httptest.NewServer(handler)
		DeferCleanup(s.Close)
		g.address = s.URL
	}
	run := func() specs.CheckRun { return r.Measure(context.Background(), c, "", nil) }

	It("asks as the operator, for the route's model, in the route's protocol", func() {
		serve()
		var asked map[string]any
		ok := answer
		answer = func(w http.ResponseWriter, body map[string]any) { asked = body; ok(w, body) }
		got := run()
		Expect(got.Verdict).To(Equal(specs.CheckPassing), got.Message)
		Expect(got.TargetGeneration).To(BeEquivalentTo(1))
		Expect(asked).To(And(HaveKeyWithValue("authorization", "Bearer token-of-chat"), HaveKeyWithValue("model", "house"), HaveKeyWithValue("path", "/v1/chat/completions"),
			HaveKeyWithValue("max_tokens", BeEquivalentTo(64)), HaveKeyWithValue("messages", HaveLen(2))))
		rt, _ := reconcile.Get[*specs.Route](r.o.Client, "chat")
		rt = specs.Copy(rt)
		rt.Spec.Protocol = specs.ProtocolAnthropic
		_, err := r.o.Client.Update(context.Background(), rt)
		Expect(err).NotTo(HaveOccurred())
		run()
		Expect(asked).To(And(HaveKeyWithValue("path", "/v1/messages"), HaveKeyWithValue("system", "be brief"), HaveKeyWithValue("messages", HaveLen(1))))
	})

	It("asks a gate on a unix socket", func() {
		g.address = filepath.Join(GinkgoT().TempDir(), "s")
		l, err := net.Listen("unix", g.address)
		Expect(err).NotTo(HaveOccurred())
		s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
		s.Start()
		DeferCleanup(s.Close)
		Expect(run().Verdict).To(Equal(specs.CheckPassing))
	})

	It("tells nothing of a wrong answer but in its excerpt, and of that the beginning", func() {
		serve()
		answer = func(w http.ResponseWriter, _ map[string]any) {
			b, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": "a\n secret " + strings.Repeat("ü", 1000)}}}})
			_, _ = w.Write(b)
		}
		got := run()
		Expect(got.Verdict).To(Equal(specs.CheckFailing))
		Expect(got.Message).To(Equal(`1 of 1 measurements failed: the answer does not contain "mirror"`))
		Expect(got.Measurements[0].Excerpt).To(HavePrefix("a secret ü"))
		Expect(len(got.Measurements[0].Excerpt)).To(BeNumerically("<=", maxExcerpt))
	})

	DescribeTable("that has no answer", func(status int, reason, body string, want specs.CheckVerdict, message string) {
		serve()
		answer = func(w http.ResponseWriter, _ map[string]any) {
			if reason != "" {
				w.Header().Set("X-MirrorGate-Reason", reason)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
		got := run()
		Expect(got.Verdict).To(Equal(want))
		Expect(got.Message).To(HaveSuffix(message))
	},
		Entry("but a budget's refusal is Unknown", 429, "BudgetExceeded", "", specs.CheckUnknown, "the gate answers 429 BudgetExceeded"),
		Entry("because no backend does is Unknown", 503, "BackendNotReady", "", specs.CheckUnknown, "the gate answers 503 BackendNotReady"),
		Entry("but the model's own fault fails", 400, "", "secret", specs.CheckFailing, "it answers 400 Bad Request"),
		Entry("but something else fails", 200, "", "<html>secret", specs.CheckFailing, "the answer is not one of the protocol"),
		Entry("but a filter's refusal is a refusal", 403, "FilterRefused", "", specs.CheckFailing, "it refuses"),
		Entry("but more than may be fails", 200, "", strings.Repeat(" ", maxAnswer+2), specs.CheckFailing, "more than 1 MiB"),
	)

	It("that hangs ends by its timeout, and fails", func() {
		serve()
		c.Spec.Timeout = &metav1.Duration{Duration: 100 * time.Millisecond}
		done := make(chan struct{})
		defer close(done)
		answer = func(w http.ResponseWriter, _ map[string]any) { w.(http.Flusher).Flush(); <-done }
		got := run()
		Expect(got.Verdict).To(Equal(specs.CheckFailing))
		Expect(got.Message).To(ContainSubstring("no answer within 100ms"))
	})

	It("that cannot be asked is Unknown", func() {
		g.address = "http://127.0.0.1:1"
		Expect(run().Message).To(HaveSuffix("gate/front: connection refused"))
		g.fail = errors.New("cannot bring a token in force")
		Expect(run().Message).To(HaveSuffix("cannot bring a token in force"))
		c.Spec.Target.Route = "none"
		got := run()
		Expect(got.Message).To(HaveSuffix("no route/none"))
		Expect(got.Verdict).To(Equal(specs.CheckUnknown))
	})
})
