package proxy_test

import (
	"bytes"
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"mirroros.dev/mirroros/controllers/gate/proxy"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// words is a filter that hides a word, or refuses it.
type words struct{ hide, refuse, fail string }

func (f words) Request(body strict.Value) (edits []strict.Edit, refused string, err error) {
	if f.refuse != "" && bytes.Contains(body.Raw, []byte(f.refuse)) {
		return nil, "a word", nil
	}
	if f.fail != "" {
		return nil, "", errors.New(f.fail)
	}
	for at := 0; f.hide != ""; {
		i := bytes.Index(body.Raw[at:], []byte(f.hide))
		if i < 0 {
			break
		}
		edits = append(edits, strict.Edit{Name: "redacted", At: body.At + at + i, End: body.At + at + i + len(f.hide), New: []byte("***")})
		at += i + len(f.hide)
	}
	return edits, "", nil
}

func (f words) Answer(string) proxy.AnswerFilter { return &answerWords{words: f} }

// answerWords holds all back until the end.
type answerWords struct {
	words
	held  []byte
	acted bool
}

func (f *answerWords) Acted() bool { return f.acted }

func (f *answerWords) Piece(p []byte) ([]byte, string, error) {
	f.held = append(f.held, p...)
	return nil, "", nil
}

func (f *answerWords) End() ([]byte, string, error) {
	if f.refuse != "" && bytes.Contains(f.held, []byte(f.refuse)) {
		return nil, "a word", nil
	}
	if f.hide == "" {
		return f.held, "", nil
	}
	f.acted = bytes.Contains(f.held, []byte(f.hide))
	return bytes.ReplaceAll(f.held, []byte(f.hide), []byte("***")), "", nil
}

var _ = Describe("Filters", func() {
	filters := map[string]words{"hide": {hide: "secret"}, "hide-too": {hide: "ret-w"}, "refuse": {refuse: "forbidden"}, "fail": {fail: "broken"},
		"hide-answer": {hide: "hello"}, "hide-both": {hide: "id"}}

	with := func(edit func(*world), names ...string) func(*world) {
		return func(w *world) {
			w.filters = func(c []proxy.FilterConfig) (proxy.Filters, error) { return filters[c[0].Type], nil }
			for _, n := range names {
				name, shadow := strings.CutSuffix(n, "?")
				w.gate().Rules = append(w.gate().Rules, proxy.RuleConfig{Name: name, All: true, Shadow: shadow, Filters: []proxy.FilterConfig{{Type: name}}})
			}
			if edit != nil {
				edit(w)
			}
		}
	}

	It("rewrite a request and its answer, and the record names them", func() {
		m := newModel(answers)
		w := newWorld(m.address(), with(nil, "hide", "hide-too", "hide-answer"))
		r := w.ask(`{"model":"house-chat","x":"a secret-word, a secret"}`)
		Expect(r.StatusCode).To(Equal(200), r.body)
		body, _, _ := m.last()
		Expect(body).To(Equal(`{"model":"demo","x":"a ***ord, a ***"}`))
		Expect(r.body).To(Equal(strings.ReplaceAll(answer, "hello", "***")))
		Expect(r.Header.Get("X-MirrorGate-Decision")).To(Equal("Rewritten"))
		Expect(r.Header.Get("X-MirrorGate-Edits")).To(Equal("redacted, model"))
		records := w.records(r.id(), 2)
		Expect(records[0].Filters).To(Equal([]string{"hide", "hide-too"}))
		Expect(records[1].Filters).To(Equal([]string{"hide-answer"}))
		Expect(records[1].OutputTokens).To(Equal(int64(7)), "usage is read before filters")
		Expect(records[1].ResponseDigest).To(Equal(sum(r.body)))
	})

	It("refuse a request, an answer, and what they cannot look at; in Shadow they only count", func() {
		m := newModel(answers)
		w := newWorld(m.address(), with(nil, "refuse", "fail?", "hide?"))
		r := w.ask(`{"model":"house-chat","x":"forbidden"}`)
		Expect(r.StatusCode).To(Equal(403))
		Expect(r.reason()).To(Equal("FilterRefused"))
		Expect(r.Header.Get("X-MirrorGate-Rule")).To(Equal("refuse"))
		Expect(m.calls()).To(BeZero())
		r = w.ask(`{"model":"house-chat","x":"secret"}`)
		Expect(r.StatusCode).To(Equal(200))
		body, _, _ := m.last()
		Expect(body).To(ContainSubstring("secret"))
		Expect(w.records(r.id(), 2)[0].Shadow).To(Equal([]string{"fail", "hide"}))

		filters["no-hello"] = words{refuse: "hello"}
		w = newWorld(m.address(), with(nil, "no-hello"))
		r = w.ask(chat)
		Expect(r.StatusCode).To(Equal(502))
		Expect(r.reason()).To(Equal("AnswerRefused"))
		Expect(r.body).NotTo(ContainSubstring("hello"))
		Expect(w.records(r.id(), 2)[1]).To(And(HaveField("Reason", "AnswerRefused"), HaveField("Filters", []string{"no-hello"})))

		w = newWorld(m.address(), with(nil, "fail"))
		Expect(w.ask(chat).reason()).To(Equal("FilterError"))
	})

	It("count a hit for each request that they did something about, be it the answer alone or both", func() {
		m := newModel(answers)
		w := newWorld(m.address(), with(nil, "hide-answer", "hide-both", "hide"))
		for range 2 {
			w.records(w.ask(`{"model":"house-chat","x":"idle"}`).id(), 2)
		}
		hits := map[string]int64{}
		for _, r := range w.server.Counts().Rules {
			hits[r.Name] = r.Hits
		}
		Expect(hits).To(Equal(map[string]int64{"agents-may-chat": 2, "hide-answer": 2, "hide-both": 2}))
	})

	It("look at streams", func() {
		m := newModel(sse(`{"x":"a secret"}`, `{"choices":[],"usage":{"completion_tokens":2}}`))
		w := newWorld(m.address(), with(nil, "hide"))
		r := w.ask(`{"model":"house-chat","stream":true}`)
		Expect(r.body).To(Equal("data: {\"x\":\"a ***\"}\n\n"))
		Expect(w.records(r.id(), 2)[1].OutputTokens).To(Equal(int64(2)))
	})
})
