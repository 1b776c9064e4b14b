package main

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The demo model, by Anthropic's API", func() {
	const body = `{"model":"tiny","system":[{"type":"text","text":"be brief"}],"seed":5,"messages":[{"role":"user","content":[{"type":"text","text":"the river"}]}]%s}`

	It("answers, and counts its tokens truly", func() {
		a := newAPI(0)
		code, got := a.do("POST", "/v1/messages", fmt.Sprintf(body, `,"max_tokens":9`))
		Expect(code).To(Equal(200), "%v", got)
		text := got["content"].([]any)[0].(map[string]any)["text"].(string)
		Expect(tokenize(text)).To(HaveLen(9))
		Expect(got).To(And(HaveKeyWithValue("type", "message"), HaveKeyWithValue("role", "assistant"), HaveKeyWithValue("model", "tiny-1"),
			HaveKeyWithValue("stop_reason", "max_tokens"), HaveKeyWithValue("usage", map[string]any{"input_tokens": 4.0, "output_tokens": 9.0})))
		_, got = a.do("POST", "/v1/messages/count_tokens", fmt.Sprintf(body, ""))
		Expect(got).To(Equal(map[string]any{"input_tokens": 4.0}))

		_, got = a.do("POST", "/v1/messages", `{"model":"tiny","max_tokens":9,"messages":[{"role":"user","content":"Say the word mirror"}]}`)
		Expect(got).To(HaveKeyWithValue("stop_reason", "end_turn"))
		_, got = a.do("POST", "/v1/messages", fmt.Sprintf(body, fmt.Sprintf(`,"max_tokens":9,"stop_sequences":[%q]`, tokenize(text)[2])))
		Expect(got).To(And(HaveKeyWithValue("stop_reason", "stop_sequence"), HaveKeyWithValue("stop_sequence", tokenize(text)[2])))
	})

	It("streams the same answer", func() {
		a := newAPI(0)
		_, whole := a.do("POST", "/v1/messages", fmt.Sprintf(body, `,"max_tokens":9`))
		text, kinds := "", []string{}
		for _, line := range a.events("/v1/messages", fmt.Sprintf(body, `,"max_tokens":9,"stream":true`)) {
			var e struct {
				Type  string
				Delta struct {
					Text       string
					StopReason string `json:"stop_reason"`
				}
				Usage map[string]int
			}
			Expect(json.Unmarshal([]byte(line), &e)).To(Succeed())
			kinds, text = append(kinds, e.Type), text+e.Delta.Text
			if e.Type == "message_delta" {
				Expect(e.Delta.StopReason).To(Equal("max_tokens"))
				Expect(e.Usage).To(Equal(map[string]int{"input_tokens": 4, "output_tokens": 9}))
			}
		}
		Expect(text).To(Equal(whole["content"].([]any)[0].(map[string]any)["text"]))
		Expect(kinds).To(HaveLen(5 + 9))
		Expect(kinds[:2]).To(Equal([]string{"message_start", "content_block_start"}))
		Expect(kinds[11:]).To(Equal([]string{"content_block_stop", "message_delta", "message_stop"}))
	})

	DescribeTable("says what is wrong in Anthropic's shape", func(path, body string, status int, kind, message string) {
		code, got := newAPI(0).do("POST", path, body)
		Expect(code).To(Equal(status))
		Expect(got).To(HaveKeyWithValue("type", "error"))
		Expect(got["error"]).To(And(HaveKeyWithValue("type", kind), HaveKeyWithValue("message", ContainSubstring(message))))
	},
		Entry("no cap", "/v1/messages", `{"model":"tiny","messages":[{"role":"user","content":"x"}]}`, 400, "invalid_request_error", "max_tokens is missing"),
		Entry("another model", "/v1/messages", `{"model":"huge","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, 404, "not_found_error", "huge"),
		Entry("a role that is none", "/v1/messages/count_tokens", `{"model":"tiny","messages":[{"role":"system","content":"x"}]}`, 400, "invalid_request_error", "neither user nor assistant"),
		Entry("nothing said", "/v1/messages", `{"model":"tiny","max_tokens":1}`, 400, "invalid_request_error", "messages is missing"),
	)
})
