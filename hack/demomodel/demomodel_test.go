package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

// api is a server under test.
type api struct {
	url string
	log *gbytes.Buffer
}

func newAPI(delay time.Duration) *api {
	log := gbytes.NewBuffer()
	s := &server{name: "tiny-1", model: train(corpus), delay: delay, started: time.Unix(1e9, 0), log: log}
	srv := httptest.NewServer(s.handler())
	DeferCleanup(srv.Close)
	return &api{srv.URL, log}
}

func (a *api) do(method, path, body string) (int, map[string]any) {
	GinkgoHelper()
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	var got map[string]any
	Expect(json.NewDecoder(resp.Body).Decode(&got)).To(Succeed())
	return resp.StatusCode, got
}

// chat asks and returns the text, why it ended, and the usage.
func (a *api) chat(prompt, more string) (text, finish string, in, out float64) {
	GinkgoHelper()
	code, got := a.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":"tiny-1","messages":[{"role":"user","content":%q}]%s}`, prompt, more))
	Expect(code).To(Equal(200), "%v", got)
	c := got["choices"].([]any)[0].(map[string]any)
	u := got["usage"].(map[string]any)
	Expect(u["total_tokens"]).To(Equal(u["prompt_tokens"].(float64) + u["completion_tokens"].(float64)))
	return c["message"].(map[string]any)["content"].(string), c["finish_reason"].(string), u["prompt_tokens"].(float64), u["completion_tokens"].(float64)
}

// events reads a stream: its data lines.
func (a *api) events(path, body string) []string {
	GinkgoHelper()
	resp, err := http.Post(a.url+path, "application/json", strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	defer resp.Body.Close()
	Expect(resp.Header.Get("Content-Type")).To(Equal("text/event-stream"))
	var out []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			out = append(out, data)
		}
	}
	return out
}

var _ = Describe("The demo model", func() {
	It("says what it is", func() {
		a := newAPI(0)
		_, got := a.do("GET", "/health", "")
		Expect(got).To(HaveKeyWithValue("status", "ok"))
		_, got = a.do("GET", "/v1/models", "")
		m := got["data"].([]any)[0].(map[string]any)
		Expect(m).To(And(HaveKeyWithValue("id", "tiny-1"), HaveKeyWithValue("description", "a demo n-gram model, not an LLM")))
		_, got = a.do("GET", "/v1/models/tiny", "")
		Expect(got).To(HaveKeyWithValue("id", "tiny-1"))
		for _, q := range []string{"What are you?", "who are you", "Are you an LLM?", "Which model is this?"} {
			text, _, _, _ := a.chat(q, "")
			Expect(text).To(ContainSubstring("a demo n-gram model, not an LLM"))
		}
	})

	It("says the word that it is asked to say", func() {
		a := newAPI(0)
		for prompt, want := range map[string]string{"Say the word mirror.": "mirror", `please say the word "Öl-Lampe"!`: "Öl-Lampe"} {
			text, finish, _, _ := a.chat(prompt, `,"max_tokens":32`)
			Expect(text).To(Equal(want))
			Expect(finish).To(Equal("stop"))
		}
		text, finish, _, out := a.chat("Say the word a-b-c", `,"max_tokens":2`)
		Expect([]any{text, finish, out}).To(Equal([]any{"a-", "length", 2.0}))
	})

	It("counts its tokens truly", func() {
		a := newAPI(0)
		for seed := range 50 {
			text, _, in, out := a.chat("What, pray, is the cat's plan?", fmt.Sprintf(`,"seed":%d,"max_completion_tokens":%d`, seed, 1+seed))
			Expect(in).To(BeEquivalentTo(9))
			Expect(out).To(BeEquivalentTo(len(tokenize(text))))
			Expect(out).To(BeNumerically("<=", 1+seed))
			Expect(text).NotTo(BeEmpty())
		}
	})

	It("repeats itself at temperature 0 and with the same seed, and else does not", func() {
		a := newAPI(0)
		ask := func(more string) string { text, _, _, _ := a.chat("Tell me about the house", more); return text }
		Expect(ask(`,"temperature":0`)).To(Equal(ask(`,"temperature":0`)))
		Expect(ask(`,"seed":7`)).To(Equal(ask(`,"seed":7`)))
		seen := map[string]bool{}
		for seed := range 20 {
			seen[ask(fmt.Sprintf(`,"seed":%d`, seed))] = true
		}
		Expect(len(seen)).To(BeNumerically(">", 5))
	})

	It("stops before a stop sequence", func() {
		a := newAPI(0)
		whole, _, _, _ := a.chat("the garden", `,"temperature":0`)
		word := strings.Fields(whole)[3]
		text, finish, _, out := a.chat("the garden", fmt.Sprintf(`,"temperature":0,"stop":["never there",%q]`, word))
		Expect(text).To(Equal(whole[:strings.Index(whole, word)]))
		Expect(finish).To(Equal("stop"))
		Expect(out).To(BeEquivalentTo(len(tokenize(text))))
	})

	It("streams the same answer, with the usage when asked", func() {
		a := newAPI(0)
		body := `{"model":"tiny","seed":5,"max_tokens":9,"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"the river"}]}]%s}`
		_, got := a.do("POST", "/v1/chat/completions", fmt.Sprintf(body, ""))
		want := got["choices"].([]any)[0].(map[string]any)["message"].(map[string]any)["content"]
		events := a.events("/v1/chat/completions", fmt.Sprintf(body, `,"stream":true,"stream_options":{"include_usage":true}`))
		Expect(events[0]).To(ContainSubstring(`"role":"assistant"`))
		Expect(events[len(events)-1]).To(Equal("[DONE]"))
		Expect(events[len(events)-2]).To(And(ContainSubstring(`"choices":[]`), ContainSubstring(`"usage":{"prompt_tokens":4,"completion_tokens":9,"total_tokens":13}`)))
		Expect(events[len(events)-3]).To(ContainSubstring(`"finish_reason":"length"`))
		text := ""
		for _, e := range events[1 : len(events)-3] {
			var c struct {
				Choices []struct{ Delta struct{ Content string } }
			}
			Expect(json.Unmarshal([]byte(e), &c)).To(Succeed())
			text += c.Choices[0].Delta.Content
		}
		Expect(text).To(Equal(want))
		Expect(a.events("/v1/chat/completions", fmt.Sprintf(body, `,"stream":true`))).NotTo(ContainElement(ContainSubstring("usage")))
		Eventually(a.log).Should(gbytes.Say(`POST "/v1/chat/completions" 200 \S+ in=4 out=9 "stream"`))
	})

	It("goes on with a prompt", func() {
		a := newAPI(0)
		body := `{"model":"tiny-1","temperature":0,"prompt":"The cat has its own","max_tokens":3%s}`
		_, got := a.do("POST", "/v1/completions", fmt.Sprintf(body, ""))
		Expect(got["object"]).To(Equal("text_completion"))
		Expect(got["choices"].([]any)[0].(map[string]any)["text"]).To(Equal(" door and its"))
		Expect(a.events("/v1/completions", fmt.Sprintf(body, `,"stream":true`))).To(HaveLen(5))
	})

	It("embeds texts: the same each time, of length 1, near when words are shared", func() {
		a := newAPI(0)
		_, got := a.do("POST", "/v1/embeddings", `{"model":"tiny-1","input":["the cat sleeps","the cat wakes","stock market news"]}`)
		Expect(got["usage"]).To(Equal(map[string]any{"prompt_tokens": 9.0, "total_tokens": 9.0}))
		var v [][]any
		for _, d := range got["data"].([]any) {
			v = append(v, d.(map[string]any)["embedding"].([]any))
		}
		dot := func(a, b []any) (sum float64) {
			for i := range a {
				sum += a[i].(float64) * b[i].(float64)
			}
			return sum
		}
		Expect(v[0]).To(HaveLen(256))
		Expect(math.Abs(dot(v[0], v[0]) - 1)).To(BeNumerically("<", 1e-5))
		Expect(dot(v[0], v[1])).To(BeNumerically(">", dot(v[0], v[2])+0.2))
		_, got = a.do("POST", "/v1/embeddings", `{"model":"tiny-1","input":"the cat","encoding_format":"base64","dimensions":8}`)
		b, err := base64.StdEncoding.DecodeString(got["data"].([]any)[0].(map[string]any)["embedding"].(string))
		Expect(err).NotTo(HaveOccurred())
		Expect(b).To(HaveLen(32))
	})

	DescribeTable("refuses in OpenAI's shape",
		func(method, path, body string, status int, param, code, text string) {
			got, answer := newAPI(0).do(method, path, body)
			Expect(got).To(Equal(status))
			e := answer["error"].(map[string]any)
			Expect(e["type"]).To(Equal("invalid_request_error"))
			Expect(e["message"]).To(ContainSubstring(text))
			Expect(fmt.Sprint(e["param"], e["code"])).To(Equal(fmt.Sprint(orNil(param), orNil(code))))
		},
		Entry("another model", "POST", "/v1/chat/completions", `{"model":"gpt","messages":[]}`, 404, "model", "model_not_found", `no model "gpt"`),
		Entry("no model", "POST", "/v1/chat/completions", `{}`, 400, "model", "", "missing"),
		Entry("no messages", "POST", "/v1/chat/completions", `{"model":"tiny"}`, 400, "messages", "", "missing"),
		Entry("a role that is none", "POST", "/v1/chat/completions", `{"model":"tiny","messages":[{"role":"cat","content":"x"}]}`, 400, "messages[0].role", "", "cat"),
		Entry("an image", "POST", "/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400, "", "", "image_url"),
		Entry("no tokens", "POST", "/v1/completions", `{"model":"tiny","prompt":"x","max_tokens":0}`, 400, "max_tokens", "", "at least 1"),
		Entry("a word for a number", "POST", "/v1/completions", `{"model":"tiny","prompt":"x","max_tokens":"two"}`, 400, "max_tokens", "", "max_tokens"),
		Entry("two answers", "POST", "/v1/completions", `{"model":"tiny","prompt":"x","n":2}`, 400, "n", "", "must be 1"),
		Entry("too hot", "POST", "/v1/completions", `{"model":"tiny","prompt":"x","temperature":9}`, 400, "temperature", "", "from 0 to 2"),
		Entry("two prompts", "POST", "/v1/completions", `{"model":"tiny","prompt":["x","y"]}`, 400, "prompt", "", "one text"),
		Entry("too long a prompt", "POST", "/v1/completions", `{"model":"tiny","prompt":"`+strings.Repeat("x ", 8192)+`"}`, 400, "messages", "context_length_exceeded", "8192"),
		Entry("too large a body", "POST", "/v1/completions", `{"prompt":"`+strings.Repeat("x", 1<<20)+`"}`, 413, "", "request_too_large", "bytes"),
		Entry("no JSON", "POST", "/v1/completions", `hello`, 400, "", "", "not a valid request"),
		Entry("nothing to embed", "POST", "/v1/embeddings", `{"model":"tiny"}`, 400, "input", "", "1 to 256"),
		Entry("a wrong method", "GET", "/v1/embeddings", ``, 405, "", "method_not_allowed", "POST"),
		Entry("a wrong path", "GET", "/v2", ``, 404, "", "unknown_url", "/v2"),
	)

	It("notices that a client went away in mid-stream", func() {
		a := newAPI(time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, "POST", a.url+"/v1/chat/completions",
			strings.NewReader(`{"model":"tiny","stream":true,"messages":[{"role":"user","content":"x"}]}`))
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		cancel()
		_ = resp.Body.Close()
		Eventually(a.log).Should(gbytes.Say("went away"))
	})
})

// lines is a concurrent buffer that tells the address it is told.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ = Describe("The program", func() {
	It("finishes what is under way when it is asked to end", func() {
		ctx, cancel := context.WithCancel(context.Background())
		out, code := &lines{}, make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--model", "tiny-2", "--delay", "20ms"}, out, GinkgoWriter)
		}()
		Eventually(out.String).Should(ContainSubstring("listens on http://"))
		_, url, _ := strings.Cut(strings.TrimSpace(out.String()), "listens on ")
		resp, err := http.Post(url+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"model":"tiny","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"the house"}]}`))
		Expect(err).NotTo(HaveOccurred())
		cancel()
		b, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(string(b)).To(HaveSuffix("data: [DONE]\n\n"))
		http.DefaultClient.CloseIdleConnections()
		Eventually(code).Should(Receive(Equal(0)))
		Expect(out.String()).To(HaveSuffix("ended\n"))
	})

	It("says what is wrong with its arguments", func() {
		Expect(run(context.Background(), []string{"--no-such"}, GinkgoWriter, GinkgoWriter)).To(Equal(2))
		Expect(run(context.Background(), []string{"--listen", "nowhere"}, GinkgoWriter, GinkgoWriter)).To(Equal(1))
	})
})

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}
