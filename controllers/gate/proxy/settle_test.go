package proxy_test

import (
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/reconcile/audit"
)

// says answers with a status and JSON.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// price of the backend of a route.
func price(p *proxy.Price) func(*world) {
	return func(w *world) {
		for i := range w.gate().Routes {
			w.gate().Routes[i].Backends[0].Price = p
		}
	}
}

var dear = &proxy.Price{InputPerMillion: 1, OutputPerMillion: 2, PerCall: 3}

var _ = Describe("A call is settled", func() {
	// one makes a call under a cap of 50 tokens and gives what was settled for it.
	one := func(handler http.HandlerFunc, path, body string) (proxy.Used, int64) {
		GinkgoHelper()
		p := rich()
		w := newWorld(newModel(handler).address(), budgeted(p, price(dear)))
		r := w.do(w.request("POST", path, body))
		Eventually(p.state).Should(And(HaveField("Settled", HaveLen(1)), HaveField("Open", 0)))
		Expect(w.records(r.id(), 2)[1].Kind).To(Equal(audit.KindOutcome))
		Expect(w.server.Running().Stopped).To(BeEmpty())
		return p.state().Settled[0], p.last().Input
	}
	const capped = `{"model":"house-chat","max_tokens":50}`
	const all = -1 // of the input that was reserved

	DescribeTable("by what the backend tells of an answer, or by what can be seen of it",
		func(path, body string, input, cached, output int64) {
			used, reserved := one(says(200, body), path, strings.Replace(capped, "max_tokens", map[bool]string{true: "max_output_tokens", false: "max_tokens"}[path == responsesPath], 1))
			if input == all {
				input = reserved
			}
			Expect(used).To(Equal(proxy.Used{Input: input, Cached: cached, Output: output, Price: dear}))
		},
		Entry("OpenAI", chatPath, `{"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`, int64(11), int64(0), int64(7)),
		Entry("with what was at hand", chatPath, `{"usage":{"prompt_tokens":11,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":8}}}`, int64(11), int64(8), int64(7)),
		Entry("with reasoning in the output", chatPath, `{"usage":{"prompt_tokens":11,"completion_tokens":7,"completion_tokens_details":{"reasoning_tokens":5}}}`, int64(11), int64(0), int64(7)),
		Entry("with reasoning in the total alone", chatPath, `{"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":30}}`, int64(11), int64(0), int64(19)),
		Entry("a response", responsesPath, `{"usage":{"input_tokens":11,"output_tokens":7,"input_tokens_details":{"cached_tokens":3}}}`, int64(11), int64(3), int64(7)),
		Entry("Anthropic", messagesPath, `{"usage":{"input_tokens":11,"cache_read_input_tokens":20,"cache_creation_input_tokens":5,"output_tokens":7}}`, int64(36), int64(20), int64(7)),
		Entry("an explicit zero is zero", chatPath, `{"usage":{"prompt_tokens":0,"completion_tokens":0}}`, int64(0), int64(0), int64(0)),
		Entry("nothing is told", chatPath, `{"choices":[]}`, int64(all), int64(0), int64(14)),
		Entry("nothing is told of a long answer", chatPath, `{"choices":["`+strings.Repeat("x", 500)+`"]}`, int64(all), int64(0), int64(50)),
		Entry("a number below zero is none", chatPath, `{"usage":{"prompt_tokens":-11,"completion_tokens":-7}}`, int64(all), int64(0), int64(50)),
		Entry("half a token is none", chatPath, `{"usage":{"prompt_tokens":11.5,"completion_tokens":7}}`, int64(all), int64(0), int64(7)),
		Entry("a string is none", chatPath, `{"usage":{"prompt_tokens":11,"completion_tokens":"7"}}`, int64(11), int64(0), int64(50)),
		Entry("null is none", chatPath, `{"usage":null}`, int64(all), int64(0), int64(14)),
		Entry("too much to be a number is none", chatPath, `{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":7}}`, int64(all), int64(0), int64(7)),
		Entry("a usage that can be read in two ways is none", chatPath, `{"usage":{"prompt_tokens":1,"prompt_tokens":2}}`, int64(all), int64(0), int64(47)),
		Entry("embeddings have no output", embeddingsPath, `{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}`, int64(5), int64(0), int64(0)),
	)

	DescribeTable("by what the end of a stream tells, whatever that end is, or by its events",
		func(path string, events []string, input, output int64) {
			used, reserved := one(sse(events...), path, `{"model":"house-chat","stream":true,"max_tokens":50,"max_output_tokens":50}`)
			if input == all {
				input = reserved
			}
			Expect(used).To(Equal(proxy.Used{Input: input, Output: output, Price: dear}))
		},
		Entry("the chunk that the gate asked for", chatPath, []string{`{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, `[DONE]`}, int64(3), int64(2)),
		Entry("of two the later, field by field", chatPath, []string{`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, `{"choices":[],"usage":{"completion_tokens":9}}`}, int64(3), int64(9)),
		Entry("of which the later is no number", chatPath, []string{`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, `{"choices":[],"usage":{"completion_tokens":-9}}`}, int64(3), int64(2)),
		Entry("Anthropic's first and last", messagesPath, []string{`{"type":"message_start","message":{"usage":{"input_tokens":25,"output_tokens":1}}}`,
			`{"type":"content_block_delta","delta":{"text":"x"}}`, `{"type":"message_delta","usage":{"output_tokens":15}}`, `{"type":"message_stop"}`}, int64(25), int64(15)),
		Entry("a response that is complete", responsesPath, []string{`{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":2}}}`}, int64(3), int64(2)),
		Entry("a response that is not", responsesPath, []string{`{"type":"response.incomplete","response":{"usage":{"input_tokens":3,"output_tokens":50}}}`}, int64(3), int64(50)),
		Entry("a response that failed", responsesPath, []string{`{"type":"response.failed","response":{"error":{},"usage":{"input_tokens":3,"output_tokens":1}}}`}, int64(3), int64(1)),
		Entry("nothing: an event that says something is a token at least, and eight bytes are one", chatPath,
			[]string{`{"choices":[{"delta":{"role":"assistant"}}]}`, `{"choices":[{"delta":{"content":"a"}}]}`, `{"choices":[{"delta": {"content": "bc"}}]}`,
				`{"choices":[{"delta":{"content":"0123456789abcdef"}}]}`, `[DONE]`}, int64(all), int64(4)),
		Entry("nothing, and more came than was reserved", chatPath, []string{`{"choices":[{"delta":{"content":"` + strings.Repeat("x", 4000) + `"}}]}`}, int64(all), int64(50)),
		Entry("nothing but arguments and thoughts", messagesPath, []string{`{"type":"content_block_delta","delta":{"partial_json":"{\"a\":\"content\"}"}}`,
			`{"type":"content_block_delta","delta":{"thinking":"hm"}}`, `{"type":"ping"}`}, int64(all), int64(3)),
	)

	It("by a last event that does not end, and nobody sees it who did not ask for it", func() {
		p := rich()
		w := newWorld(newModel(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}")
		}).address(), budgeted(p, nil))
		r := w.ask(`{"model":"house-chat","stream":true}`)
		Expect(r.body).NotTo(ContainSubstring("usage"))
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Input: 3, Output: 2}})))
	})

	DescribeTable("as a request that took nothing when the backend refused it, unless it tells what that took",
		func(status int, body string, used proxy.Used) {
			got, _ := one(says(status, body), chatPath, capped)
			Expect(got).To(Equal(used))
		},
		Entry("refused", 400, `{"error":{"message":"too long"}}`, proxy.Used{}),
		Entry("failed", 503, `{"error":{}}`, proxy.Used{}),
		Entry("failed, and told", 500, `{"error":{},"usage":{"prompt_tokens":9,"completion_tokens":1}}`, proxy.Used{Input: 9, Output: 1, Price: dear}),
	)

	DescribeTable("with nothing when the backend failed before it answered",
		func(address func() string, reason string) {
			p := rich()
			w := newWorld(address(), budgeted(p, func(w *world) { w.gate().Routes[0].FirstByte = 100 * time.Millisecond }))
			r := w.ask(chat)
			Expect(r.reason()).To(Equal(reason))
			Expect(r.Header.Get("X-Ratelimit-Limit-Tokens")).NotTo(BeEmpty())
			Eventually(p.state).Should(And(HaveField("Cancelled", 1), HaveField("Open", 0), HaveField("Used", BeZero()), HaveField("Settled", BeEmpty())))
		},
		Entry("not reached", closed, "ConnectError"),
		Entry("not a word", func() string { return hanging().address() }, "FirstByteTimeout"),
		Entry("broken off", func() string { return saying("") }, "BackendBroken"),
	)

	It("with what each backend took, when one failed after it had worked and the next one answered", func() {
		p, second := rich(), newModel(answers)
		w := newWorld("", budgeted(p, func(w *world) {
			r := &w.gate().Routes[0]
			r.Backends[0].Price = &proxy.Price{OutputPerMillion: 5}
			r.Fallbacks = []proxy.BackendConfig{{Name: "process/second", Endpoints: "second:http", Weight: 1, Price: &proxy.Price{OutputPerMillion: 4}}}
			w.ready.Ready = map[string][]string{"second:http": {second.address()},
				"demo:http": {newModel(says(500, `{"error":{},"usage":{"prompt_tokens":9,"completion_tokens":1}}`)).address()}}
		}))
		Expect(w.ask(chat).StatusCode).To(Equal(200))
		Expect(p.last().Prices).To(HaveLen(2), "the dearer of both is reserved")
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Input: 20, Output: 8, Price: &proxy.Price{OutputPerMillion: 4}}})))
	})

	It("when its caller went away: the answer is read on to the usage at its end, and that is what is charged", func() {
		p, gone := rich(), make(chan struct{})
		w := newWorld(newModel(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			w.(http.Flusher).Flush()
			<-gone
			for range 20 {
				_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n")
				w.(http.Flusher).Flush()
			}
			_, _ = io.WriteString(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":21}}\n\n")
		}).address(), budgeted(p, nil))
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		_, _ = resp.Body.Read(make([]byte, 10))
		resp.Body.Close()
		close(gone)
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{Input: 3, Output: 21}})))
	})

	It("with what came so far when the caller is revoked in the middle of a stream, and in full when nothing had come", func() {
		p, at := rich(), make(chan struct{})
		w := newWorld(newModel(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, messagesPath) {
				close(at)
				<-r.Context().Done()
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}).address(), budgeted(p, limits(30, 30)))
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		_, _ = resp.Body.Read(make([]byte, 10))
		silent := make(chan reply, 1)
		go func() { silent <- w.do(w.request("POST", messagesPath, `{"model":"house-chat"}`)) }()
		Eventually(at).Should(BeClosed())
		reserved := p.last()
		gone := *w.who
		gone.Number, gone.Tokens = 2, nil
		Expect(w.server.Update(nil, nil, &gone)).To(Succeed())
		_, _ = io.ReadAll(resp.Body)
		resp.Body.Close()
		Eventually(silent).Should(Receive(HaveField("StatusCode", 401)))
		Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Settled", HaveLen(2))))
		Expect(p.state().Settled).To(ConsistOf(HaveField("Output", int64(1)), And(HaveField("Output", int64(30)), HaveField("Input", reserved.Input))))
	})

	It("when the gate fails in the middle of it", func() {
		p := rich()
		w := newWorld(newModel(answers).address(), budgeted(p, func(w *world) {
			w.filters = func([]proxy.FilterConfig) (proxy.Filters, error) { return panics{}, nil }
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "f", All: true, Filters: []proxy.FilterConfig{{}}})
		}))
		resp, err := w.client.Do(w.request("POST", chatPath, chat))
		if err == nil {
			resp.Body.Close()
		}
		Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Settled", ConsistOf(HaveField("Output", int64(len(answer)))))), "of an answer that was not read no more is known")
	})

	It("when the gate ends", func() {
		p, m := rich(), hanging()
		w := newWorld(m.address(), budgeted(p, limits(30, 30)))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if resp, err := w.client.Do(w.request("POST", chatPath, chat)); err == nil {
				resp.Body.Close()
			}
		}()
		Eventually(m.calls).Should(Equal(1))
		w.stop()
		Eventually(ended).Should(BeClosed())
		Eventually(p.state).Should(And(HaveField("Open", 0), HaveField("Settled", ConsistOf(HaveField("Output", int64(30))))))
	})

	It("so that a budget has what backends served, when callers go away at any moment", func() {
		seed := GinkgoRandomSeed()
		GinkgoWriter.Println("seed", seed)
		var served atomic.Int64
		var working sync.WaitGroup
		p := rich()
		w := newWorld(newModel(func(w http.ResponseWriter, _ *http.Request) {
			working.Add(1)
			defer working.Done()
			w.Header().Set("Content-Type", "text/event-stream")
			const n = 30
			for range n {
				_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n")
				w.(http.Flusher).Flush()
			}
			served.Add(5 + n)
			fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":%d}}\n\n", n)
		}).address(), budgeted(p, func(w *world) { w.gate().MaxConcurrent = 1000 }))
		var all sync.WaitGroup
		for i := range 8 {
			random := rand.New(rand.NewSource(seed + int64(i)))
			all.Go(func() {
				for range 15 {
					resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
					if err != nil {
						continue
					}
					_, _ = io.CopyN(io.Discard, resp.Body, random.Int63n(2500))
					resp.Body.Close()
				}
			})
		}
		all.Wait()
		Eventually(p.state).Should(HaveField("Open", 0))
		working.Wait()
		Expect(p.state().Used).To(Equal(served.Load()))
		Expect(p.state().Settled).To(HaveLen(120))
	})
})

// panics is a filter with a fault.
type panics struct{ words }

func (panics) Answer(string) proxy.AnswerFilter { panic("a fault") }

var _ = Describe("A backend that takes more than it was told to", func() {
	DescribeTable("is charged in full, and its route stops until it is changed",
		func(body string, used proxy.Used, why string) {
			m, p := newModel(says(200, body)), rich()
			w := newWorld(m.address(), budgeted(p, limits(10, 10)))
			Expect(w.ask(`{"model":"house-chat","n":2}`).StatusCode).To(Equal(200))
			Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{used})))
			Eventually(w.stopped.Load).Should(BeEquivalentTo(1))
			Expect(w.server.Running().Stopped).To(ConsistOf(And(HaveField("Gate", "front"), HaveField("Route", "chat"), HaveField("Why", ContainSubstring(why)))))
			r := w.ask(chat)
			Expect(r.StatusCode).To(Equal(503))
			Expect(r.reason()).To(Equal("BoundsBroken"))
			Expect(r.Header.Get("X-Should-Retry")).To(Equal("false"))
			Expect(r.body).To(ContainSubstring(why))
			Expect(w.records(r.id(), 1)[0].Stage).To(Equal(6))
			Expect(p.state().Asks).To(Equal(1))
			other := w.do(w.request("POST", messagesPath, `{"model":"house-chat"}`))
			Expect(other.reason()).NotTo(Equal("BoundsBroken"), "another route has nothing to do with it")

			same := *w.config
			same.Number = 2
			Expect(w.server.Update(&same, nil, nil)).To(Succeed())
			Expect(w.ask(chat).reason()).To(Equal("BoundsBroken"), "nothing of the route has changed")
			changed := same
			changed.Number, changed.Gates = 3, append([]proxy.GateConfig{}, same.Gates...)
			changed.Gates[0].Routes = append([]proxy.RouteConfig{}, same.Gates[0].Routes...)
			changed.Gates[0].Routes[0].MaxOutputTokens = 100
			Expect(w.server.Update(&changed, nil, nil)).To(Succeed())
			Expect(w.ask(`{"model":"house-chat","max_tokens":100}`).reason()).NotTo(Equal("BoundsBroken"))
		},
		Entry("of output", `{"usage":{"prompt_tokens":1,"completion_tokens":21}}`, proxy.Used{Input: 1, Output: 21}, "21 tokens where the cap was 20"),
		Entry("of input", `{"usage":{"prompt_tokens":5000,"completion_tokens":1}}`, proxy.Used{Input: 5000, Output: 1}, "5000 tokens of input"),
	)

	It("is told nothing where no budget holds", func() {
		p := rich()
		p.loose = true
		w := newWorld(newModel(says(200, `{"usage":{"prompt_tokens":5000,"completion_tokens":50000}}`)).address(), budgeted(p, limits(10, 10)))
		Expect(w.ask(chat).StatusCode).To(Equal(200))
		Expect(w.ask(chat).StatusCode).To(Equal(200))
		Eventually(p.state).Should(HaveField("Used", BeEquivalentTo(110_000)))
	})
})
