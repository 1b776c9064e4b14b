package proxy_test

import (
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

// completions, responses, embeddings and messages are the other paths of models.
const (
	completionsPath = "/v1/completions"
	responsesPath   = "/v1/responses"
	embeddingsPath  = "/v1/embeddings"
	messagesPath    = "/v1/messages"
	// around and withTools are what a backend's template may take.
	around, withTools = 128, 128 + 640
)

// rich is a purse that nothing exhausts.
func rich() *purse { return &purse{tokens: 1 << 40, requests: 1 << 40} }

// budgeted has the gate's routes held to the budget of a purse; edit may change the rest.
func budgeted(p *purse, edit func(*world)) func(*world) {
	return func(w *world) {
		anthropic(w)
		w.gate().Routes[1].Models, w.gate().Routes[1].MaxOutputTokens = []string{"house-chat"}, 0
		w.ledger = p
		if edit != nil {
			edit(w)
		}
	}
}

// limits of the output on the gate's routes.
func limits(fill, most int64) func(*world) {
	return func(w *world) {
		for i := range w.gate().Routes {
			w.gate().Routes[i].DefaultOutputTokens, w.gate().Routes[i].MaxOutputTokens = fill, most
		}
	}
}

var _ = Describe("What is reserved for a call", func() {
	DescribeTable("is the cap that is sent, as often as there are answers",
		func(fill, most int64, path, body string, output, choices int64, sent string) {
			m, p := newModel(answers), rich()
			w := newWorld(m.address(), budgeted(p, limits(fill, most)))
			r := w.do(w.request("POST", path, body))
			Expect(r.StatusCode).To(Equal(200), r.body)
			Expect(p.last()).To(And(HaveField("Output", output), HaveField("Choices", choices), HaveField("Model", "house-chat"),
				HaveField("Principal", "coder"), HaveField("Gate", "front"), HaveField("Request", r.id())))
			got, _, _ := m.last()
			Expect(got).To(Equal(strings.Replace(sent, "house-chat", "demo", 1)))
			Expect(r.Header).NotTo(HaveKey("X-Mirrorgate-Output-Cap"), "nothing was cut")
			reserved := p.last().Input + output*choices
			Expect(w.records(r.id(), 2)[0].Reserved).To(Equal(reserved))
		},
		Entry("the caller's", int64(9), int64(99), chatPath, `{"model":"house-chat","max_tokens":50}`, int64(50), int64(1), `{"model":"house-chat","max_tokens":50}`),
		Entry("the caller's, lowered to the route's", int64(9), int64(99), chatPath, `{"model":"house-chat","max_tokens":500}`, int64(99), int64(1),
			`{"model":"house-chat","max_tokens":99}`),
		Entry("the larger of two", int64(9), int64(99), chatPath, `{"model":"house-chat","max_tokens":5,"max_completion_tokens":7}`, int64(7), int64(1),
			`{"model":"house-chat","max_tokens":5,"max_completion_tokens":7}`),
		Entry("the route's default", int64(9), int64(99), chatPath, `{"model":"house-chat"}`, int64(9), int64(1), `{"max_tokens":9,"model":"house-chat"}`),
		Entry("the gate's, where there is no other", int64(0), int64(0), chatPath, `{"model":"house-chat","max_tokens":null}`, int64(4096), int64(1),
			`{"model":"house-chat","max_tokens":4096}`),
		Entry("one token for none, which some servers take for no cap at all", int64(0), int64(0), chatPath, `{"model":"house-chat","max_tokens":0}`,
			int64(1), int64(1), `{"model":"house-chat","max_tokens":1}`),
		Entry("n answers", int64(9), int64(99), chatPath, `{"model":"house-chat","n":3}`, int64(9), int64(3), `{"max_tokens":9,"model":"house-chat","n":3}`),
		Entry("best_of answers to each of two prompts", int64(9), int64(99), completionsPath, `{"model":"house-chat","n":2,"best_of":4,"prompt":["a","b"]}`,
			int64(9), int64(8), `{"max_tokens":9,"model":"house-chat","n":2,"best_of":4,"prompt":["a","b"]}`),
		Entry("one prompt in tokens", int64(9), int64(99), completionsPath, `{"model":"house-chat","prompt":[1,2,3]}`, int64(9), int64(1),
			`{"max_tokens":9,"model":"house-chat","prompt":[1,2,3]}`),
		Entry("a response", int64(9), int64(99), responsesPath, `{"model":"house-chat","input":"x"}`, int64(9), int64(1),
			`{"max_output_tokens":9,"model":"house-chat","input":"x"}`),
		Entry("messages", int64(9), int64(99), messagesPath, `{"model":"house-chat","max_tokens":20}`, int64(20), int64(1), `{"model":"house-chat","max_tokens":20}`),
		Entry("no output of embeddings", int64(9), int64(99), embeddingsPath, `{"model":"house-chat","input":"x"}`, int64(0), int64(1),
			`{"model":"house-chat","input":"x"}`),
	)

	It("is nothing for a count of tokens, which is one request, and not even that for a list of models", func() {
		m, p := newModel(answers), rich()
		w := newWorld(m.address(), budgeted(p, func(w *world) { w.gate().Routes[1].Backends[0].Price = &proxy.Price{PerCall: 9} }))
		Expect(w.do(w.request("POST", messagesPath+"/count_tokens", chat)).StatusCode).To(Equal(200))
		Expect(p.last()).To(And(HaveField("Input", BeZero()), HaveField("Output", BeZero()), HaveField("Prices", BeEmpty())))
		Eventually(p.state).Should(HaveField("Settled", Equal([]proxy.Used{{}})))
		Expect(w.do(w.request("GET", "/v1/models", "")).StatusCode).To(Equal(200))
		Expect(p.state().Asks).To(Equal(1))
	})

	image := `data:image/png;base64,` + strings.Repeat("A", 20_000)
	plain := `{"model":"house-chat","messages":[%s]}`
	DescribeTable("is a token for each byte of the input, and what an image counts as",
		func(path, message string, apart, images, tokens int64) {
			m, p := newModel(answers), rich()
			w := newWorld(m.address(), budgeted(p, func(w *world) { limits(9, 9)(w); w.gate().Routes[0].ImageTokens = tokens }))
			body := message
			if !strings.Contains(message, `"model"`) {
				body = fmt.Sprintf(plain, message)
			}
			r := w.do(w.request("POST", path, body))
			Expect(r.StatusCode).To(Equal(200), r.body)
			Expect(p.last().Input).To(Equal(int64(len(body)) + int64(len(`"max_tokens":9,`)) + apart - images*int64(len(image))))
		},
		Entry("text", chatPath, `{"role":"user","content":"hi there"}`, int64(around), int64(0), int64(0)),
		Entry("tools", chatPath, `{"model":"house-chat","tools":[{"type":"function","function":{"name":"f"}}]}`, int64(withTools), int64(0), int64(0)),
		Entry("an image in the request", chatPath, `{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"`+image+`"}}]}`,
			int64(around+4096), int64(1), int64(0)),
		Entry("an image whose kind is hidden by an escape", chatPath, `{"role":"user","content":[{"type":"\u0069mage_url","image_url":{"url":"`+image+`"}}]}`,
			int64(around+4096), int64(1), int64(0)),
		Entry("an image at another place, as the route counts it", chatPath, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x/y.png"}}]}`,
			int64(around+100), int64(0), int64(100)),
		Entry("what only looks like an image, which is text as well", chatPath, `{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+strings.Repeat("x", 9000)+`"}}]}`,
			int64(around+4096), int64(0), int64(0)),
		Entry("an image in the arguments of a tool, which are text", chatPath,
			`{"role":"assistant","tool_calls":[{"function":{"arguments":{"type":"image_url","image_url":{"url":"`+image+`"}}}}]}`, int64(around), int64(0), int64(0)),
	)

	It("counts Anthropic's images too, also in the result of a tool", func() {
		m, p := newModel(answers), rich()
		w := newWorld(m.address(), budgeted(p, nil))
		data := strings.Repeat("A", 20_000)
		body := `{"model":"house-chat","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","content":[` +
			`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + data + `"}}]}]}]}`
		Expect(w.do(w.request("POST", messagesPath, body)).StatusCode).To(Equal(200))
		Expect(p.last().Input).To(BeEquivalentTo(len(body) - len(data) + around + 4096))
	})

	DescribeTable("cannot be told of a call that has no bound, which is refused under a budget",
		func(path, body, what string) {
			m, p := newModel(answers), rich()
			w := newWorld(m.address(), budgeted(p, nil))
			r := w.do(w.request("POST", path, body))
			Expect(r.StatusCode).To(Equal(400))
			Expect(r.reason()).To(Equal("UnboundedCall"))
			Expect(r.body).To(ContainSubstring(what))
			Expect(m.calls()).To(BeZero())
			Eventually(p.state).Should(And(HaveField("Cancelled", 1), HaveField("Open", 0), HaveField("Used", BeZero())))
			p.mu.Lock()
			p.loose = true
			p.mu.Unlock()
			Expect(w.do(w.request("POST", path, body)).StatusCode).To(Equal(200), "without a budget it is the backend's affair")
			got, _, _ := m.last()
			Expect(got).NotTo(ContainSubstring("max_tokens"))
		},
		Entry("what was said before is with the backend", responsesPath, `{"model":"house-chat","previous_response_id":"r"}`, "previous_response_id"),
		Entry("a template is with the backend", responsesPath, `{"model":"house-chat","prompt":{"id":"p"}}`, "prompt"),
		Entry("a cap of another name goes before the gate's", chatPath, `{"model":"house-chat","n_predict":-1}`, "n_predict"),
		Entry("the backend searches by itself", responsesPath, `{"model":"house-chat","tools":[{"type":"web_search_preview"}]}`, "web_search"),
		Entry("a file is with the backend", chatPath, `{"model":"house-chat","messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}`, "file"),
		Entry("a template in the call may say anything as often as it likes", chatPath, `{"model":"house-chat","chat_template":"{% for i in range(9999) %}a{% endfor %}"}`,
			"chat_template"),
		Entry("an image is made larger", chatPath, `{"model":"house-chat","mm_processor_kwargs":{"max_pixels":99999999}}`, "mm_processor_kwargs"),
		Entry("what was predicted and did not come counts too", chatPath, `{"model":"house-chat","prediction":{"type":"content","content":"x"}}`, "prediction"),
		Entry("another tier has another price", chatPath, `{"model":"house-chat","service_tier":"priority"}`, "service_tier"),
		Entry("sound is with the backend", chatPath, `{"model":"house-chat","messages":[{"content":[{"type":"audio_url","audio_url":{"url":"http://x/y"}}]}]}`, "audio_url"),
		Entry("a document has many pages", messagesPath, `{"model":"house-chat","messages":[{"content":[{"type":"document","source":`+
			`{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}]}`, "document"),
	)

	It("takes a body that two readers read differently for none", func() {
		m, p := newModel(answers), rich()
		w := newWorld(m.address(), budgeted(p, nil))
		Expect(w.ask(`{"model":"house-chat","messages":[{"content":[{"Type":"image","type":"text","text":"an image"}]}]}`).reason()).To(Equal("BadJSON"))
		Expect(p.state().Asks).To(BeZero())
	})
})

var _ = Describe("What a route has taken so far", func() {
	// telling answers with a usage.
	telling := func(input, output *int64) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, *input, *output)
		}
	}

	It("lowers the cap of calls that bring none, so that they reserve what they need and not all that there is", func() {
		input, output, p := int64(10), int64(100), rich()
		w := newWorld(newModel(telling(&input, &output)).address(), budgeted(p, limits(0, 100_000)))
		for range 20 {
			w.ask(chat)
			Expect(p.last().Output).To(BeEquivalentTo(100_000), "too little is known")
			w.ask(`{"model":"house-chat","max_tokens":5000}`) // of which nothing is learned
		}
		r := w.ask(chat)
		learned := p.last().Output
		Expect(learned).To(And(BeNumerically(">=", 256), BeNumerically("<", 1000)))
		Expect(r.Header.Get("X-MirrorGate-Output-Cap")).To(Equal(fmt.Sprint(learned)), "a caller is told")
		w.ask(`{"model":"house-chat","max_tokens":70000}`)
		Expect(p.last().Output).To(BeEquivalentTo(70_000), "what the caller asks for is never lowered")
		for output = learned; p.last().Output < 10_000 || p.last().Output == 70_000; output = p.last().Output {
			w.ask(chat)
		}
		Expect(p.state().Asks).To(BeNumerically("<", 80), "answers that are cut at the cap raise it fast")
		Expect(w.server.Running().Stopped).To(BeEmpty())
	})

	It("lowers what is reserved for the input where the route says so", func() {
		input, output, p := int64(around+300), int64(5), rich()
		w := newWorld(newModel(telling(&input, &output)).address(), budgeted(p, func(w *world) {
			limits(9, 9)(w)
			w.gate().Routes[0].InputBound = proxy.BoundLearned
		}))
		body := `{"model":"house-chat","messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}]}`
		size := int64(len(body) + len(`"max_tokens":9,`))
		for range 20 {
			w.ask(body)
			Expect(p.last().Input).To(Equal(size + around))
		}
		w.ask(body)
		Expect(p.last().Input).To(And(BeNumerically(">=", 375+around), BeNumerically("<=", 376+around)), "300 tokens and a quarter more")
		input = size + around // more than was learned, and no more than bytes can be
		Expect(w.ask(body).StatusCode).To(Equal(200))
		Expect(w.ask(body).StatusCode).To(Equal(200), "it is charged, and the route goes on")
		Expect(p.last().Input).To(Equal(size+around), "no estimate is more than the strict bound")
	})

	It("is nothing new to calls that no budget holds", func() {
		m, p := newModel(answers), rich()
		p.loose = true
		w := newWorld(m.address(), budgeted(p, limits(0, 0)))
		for range 25 {
			Expect(w.ask(chat).Header.Get("X-MirrorGate-Edits")).To(Equal("model"))
		}
		Eventually(p.state).Should(HaveField("Settled", HaveLen(25)))
	})
})
