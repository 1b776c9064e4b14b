package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
)

var _ = Describe("Filters of a stream", func() {
	const secret = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx"
	redact := proxy.FilterConfig{Type: "RedactSecrets", On: "Response"}
	answer := func(f ...proxy.FilterConfig) proxy.AnswerFilter {
		GinkgoHelper()
		filters, err := proxy.CompileFilters(f)
		Expect(err).NotTo(HaveOccurred())
		return filters.Answer("text/event-stream")
	}
	// piece is an event with a piece of a text of choice 0.
	piece := func(member, text string) string {
		return fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{%q:%s}}]}\n\n", member, strconv.Quote(text))
	}
	// feed gives each event to a filter, and answers what goes on after each and at the end, up to a refusal.
	feed := func(a proxy.AnswerFilter, events ...string) (out []string, refused string) {
		GinkgoHelper()
		for i := 0; i <= len(events); i++ {
			next := a.End
			if i < len(events) {
				next = func() ([]byte, string, error) { return a.Piece([]byte(events[i])) }
			}
			b, why, err := next()
			Expect(err).NotTo(HaveOccurred())
			if why != "" {
				return out, why
			}
			out = append(out, string(b))
		}
		return out, ""
	}

	It("let a text go on while the rest of it is still to come", func(SpecContext) {
		more := make(chan struct{})
		goOn := sync.OnceFunc(func() { close(more) })
		m := newModel(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, word := range strings.Fields("one two three four five six seven eight nine ten") {
				_, _ = io.WriteString(w, piece("content", word+" "))
				w.(http.Flusher).Flush()
			}
			<-more
			_, _ = io.WriteString(w, piece("content", secret+" .")+"data: [DONE]\n\n")
		})
		DeferCleanup(goOn)
		w := newWorld(m.address(), func(w *world) {
			w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: "filter", All: true, Filters: []proxy.FilterConfig{redact}})
		})
		resp, err := w.client.Do(w.request("POST", chatPath, `{"model":"house-chat","stream":true}`))
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		first := ""
		for !strings.Contains(first, `"content":"one`) {
			line, err := in.ReadString('\n')
			Expect(err).NotTo(HaveOccurred())
			first += line
		}
		goOn()
		rest, err := io.ReadAll(in)
		Expect(err).NotTo(HaveOccurred())
		Expect(told(first + string(rest))).To(Equal("one two three four five six seven eight nine ten [redacted: AnthropicKey] ."))
		Expect(string(rest)).To(HaveSuffix("data: [DONE]\n\n"))
	}, SpecTimeout(5*time.Second))

	It("do with pieces what they do with the whole, wherever it is cut", func() {
		seed := GinkgoRandomSeed()
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		words := []string{"the", "password", "is", "hunter2X9!", secret, "token:", "AKIAABCDEFGHIJKLMNOP", "so", "ok.", "ghp_abcdefghijklmnopqrstuvwxyz0123", "日本", "and"}
		filters, err := proxy.CompileFilters([]proxy.FilterConfig{redact})
		Expect(err).NotTo(HaveOccurred())
		for round := range 300 {
			texts := make([]string, 2)
			stream := ""
			left := make([]string, 2)
			for c := range texts {
				for range 3 + r.IntN(20) {
					texts[c] += words[r.IntN(len(words))] + " "
				}
				left[c] = texts[c]
			}
			for left[0]+left[1] != "" {
				c := r.IntN(2)
				cut := []rune(left[c])
				n := min(len(cut), r.IntN(9))
				stream += fmt.Sprintf("data: {\"choices\":[{\"index\":%d,\"delta\":{\"content\":%s}}]}\n\n", c, strconv.Quote(string(cut[:n])))
				left[c] = string(cut[n:])
			}
			stream += "data: [DONE]\n\n"
			a, got := filters.Answer("text/event-stream"), ""
			for rest := []byte(stream); len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(200))
				out, refused, err := a.Piece(rest[:n])
				Expect(err).NotTo(HaveOccurred())
				Expect(refused).To(BeEmpty())
				got, rest = got+string(out), rest[n:]
			}
			out, refused, err := a.End()
			Expect(err).NotTo(HaveOccurred())
			Expect(refused).To(BeEmpty())
			got += string(out)
			want := ""
			for _, t := range texts {
				j := filters.Answer("application/json")
				_, _, err := j.Piece([]byte(`{"content":` + strconv.Quote(t) + `}`))
				Expect(err).NotTo(HaveOccurred())
				whole, _, err := j.End()
				Expect(err).NotTo(HaveOccurred())
				want += object(string(whole))["content"].(string)
			}
			Expect(told(got)).To(Equal(want), "seed %d, round %d", seed, round)
			Expect(strings.Count(got, "data: ")).To(Equal(strings.Count(stream, "data: ")), "each event goes on")
			Expect(got).To(HaveSuffix("data: [DONE]\n\n"))
		}
	})

	It("break a stream off before what they forbid", func() {
		out, refused := feed(answer(proxy.FilterConfig{Type: "ForbidPattern", On: "Response", Patterns: []string{"blue whale"}}),
			piece("content", "there was once a very, very, very, very large "), piece("content", "bl"), piece("content", "ue wh"), piece("content", "ale"))
		Expect(refused).To(ContainSubstring("ForbidPattern"))
		Expect(told(strings.Join(out, ""))).To(And(HavePrefix("there was"), Not(ContainSubstring("bl"))))
	})

	It("let the thoughts of a model go when it begins to answer", func() {
		out, refused := feed(answer(redact), piece("reasoning_content", "hmm"), piece("content", ""), piece("reasoning_content", " well"),
			piece("content", "yes "), piece("content", "it is so, as I have said before now"))
		Expect(refused).To(BeEmpty())
		Expect(out[3]).To(And(ContainSubstring("hmm"), ContainSubstring(" well"), Not(ContainSubstring("yes"))))
		Expect(out[4]).To(ContainSubstring("yes it is"))
	})

	It("see what is told on both sides of a pause", func() {
		f := func() proxy.AnswerFilter { return answer(redact) }
		out, refused := feed(f(), piece("reasoning_content", "a "+secret[:20]), piece("content", "x"), piece("reasoning_content", secret[20:]), piece("content", "y"))
		Expect(refused).To(ContainSubstring("both sides of a pause"))
		Expect(strings.Join(out, "")).NotTo(ContainSubstring(secret[20:]))
		out, refused = feed(f(), piece("reasoning_content", "first"), piece("content", "x"), piece("reasoning_content", " then "+secret), piece("content", "y"))
		Expect(refused).To(BeEmpty())
		Expect(strings.Join(out, "")).To(And(ContainSubstring(" then [redacted: AnthropicKey]"), Not(ContainSubstring(secret))))
		Expect(told(strings.Join(out, ""))).To(Equal("xy"))
	})

	It("let a block of Anthropic's go at its end, and messages of JSON-RPC and Responses whole", func() {
		out, refused := feed(answer(redact),
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"my \"}}\n\n",
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"key\"}}\n\n",
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
			"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":{\"text\":\"use "+secret+"\"}}}\n\n",
			"data: {\"type\":\"response.output_text.done\",\"text\":\"use "+secret+"\"}\n\n")
		Expect(refused).To(BeEmpty())
		Expect(out[0]).To(BeEmpty())
		Expect(out[2]).To(And(ContainSubstring("key"), HaveSuffix("{\"type\":\"content_block_stop\",\"index\":1}\n\n")))
		Expect(out[3]).To(Equal("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":{\"text\":\"use [redacted: AnthropicKey]\"}}}\n\n"))
		Expect(out[4]).To(ContainSubstring("use [redacted: AnthropicKey]"))
	})

	DescribeTable("refuse what another reader would read otherwise", func(events string) {
		a := answer(redact)
		_, _, err := a.Piece([]byte(events))
		if err == nil {
			_, _, err = a.End()
		}
		Expect(err).To(HaveOccurred())
	},
		Entry("lines that end with a carriage return alone", "event: a\rdata: {\"content\":\"x\"}\r\r"),
		Entry("data that is no JSON", "data: "+secret+"\n\n"),
		Entry("JSON over two lines", "data: {\"content\":\ndata: \"x\"}\n\n"),
		Entry("a byte order mark before the data", "\ufeffdata: "+secret+"\n\n"),
		Entry("a name twice", "data: {\"content\":\"x\",\"content\":\"y\"}\n\n"),
	)

	It("hold an answer whole where they ask for something, or a pattern has no bound", func() {
		for _, f := range []proxy.FilterConfig{{Type: "RequirePattern", On: "Response", Patterns: []string{"x"}}, {Type: "ForbidPattern", On: "Response", Patterns: []string{"a.*b"}},
			{Type: "AnswerSchema", Schema: `{"type":"string"}`}} {
			out, _, err := answer(f).Piece([]byte(piece("content", strings.Repeat("word ", 1000))))
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(BeEmpty(), f.Type)
		}
	})
})
