package e2e

import (
	"errors"
	"net/http"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
)

var _ = Describe("official clients", func() {
	It("OpenAI's works through a gate: whole answers, streams, embeddings, models and errors", func(ctx SpecContext) {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"))...)
		h.start()
		h.ready()
		url := h.serving("front")
		client := func(key string) openai.Client {
			return openai.NewClient(openaioption.WithBaseURL(url+"/v1"), openaioption.WithAPIKey(key), openaioption.WithMaxRetries(0),
				openaioption.WithHTTPClient(newClient(url, "").http))
		}
		c := client(h.token("scout"))
		params := func(prompt string) openai.ChatCompletionNewParams {
			return openai.ChatCompletionNewParams{Model: "house-chat", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)}}
		}
		answer, err := c.Chat.Completions.New(ctx, params("Say the word mirror."))
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Choices[0].Message.Content).To(Equal("mirror"))
		Expect(answer.Usage.CompletionTokens).To(BeEquivalentTo(1))

		s := c.Chat.Completions.NewStreaming(ctx, params("Say the word mirror."))
		all := openai.ChatCompletionAccumulator{}
		for s.Next() {
			Expect(all.AddChunk(s.Current())).To(BeTrue())
		}
		Expect(s.Err()).NotTo(HaveOccurred())
		Expect(all.Choices[0].Message.Content).To(Equal("mirror"))

		vectors, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "house-chat",
			Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("the cat")}})
		Expect(err).NotTo(HaveOccurred())
		Expect(vectors.Data[0].Embedding).To(HaveLen(256))
		models, err := c.Models.List(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(models.Data).To(ConsistOf(HaveField("ID", "house-chat")))

		denied := params("Say all.")
		denied.MaxTokens = openai.Int(1001)
		_, err = c.Chat.Completions.New(ctx, denied)
		var refused *openai.Error
		Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
		Expect(refused).To(And(HaveField("StatusCode", 403), HaveField("Code", "gate_denied"), HaveField("Type", "permission_error"),
			HaveField("Message", HavePrefix("refused by mirrorgate: "))))
		stranger := client("sk-guess")
		_, err = stranger.Chat.Completions.New(ctx, params("x"))
		Expect(errors.As(err, &refused)).To(BeTrue())
		Expect(refused).To(And(HaveField("StatusCode", http.StatusUnauthorized), HaveField("Type", "authentication_error")))
		nobody, err := c.Models.Get(ctx, "tiny-1")
		Expect(errors.As(err, &refused)).To(BeTrue(), "%v", nobody)
		Expect(refused.StatusCode).To(Equal(404))
	})

	It("Anthropic's works through a gate: whole answers, streams, counting, models and errors", func(ctx SpecContext) {
		h := newHost()
		h.write("gate.yaml", append(front("m"), model("m", "0s"),
			object("Route", "messages", "gate: front", "protocol: Anthropic", "match: {models: [\"house-claude*\"]}",
				"backends: [{process: m, port: http, model: tiny}]"),
			object("GateRule", "scout-may-message", "routes: [messages]", "principals: {names: [scout]}",
				"when: llm.maxTokens <= 1000", "action: Allow", "reason: within bounds"))...)
		h.start()
		h.ready()
		url := h.serving("front")
		client := func(credentials anthropicoption.RequestOption) anthropic.Client {
			return anthropic.NewClient(anthropicoption.WithBaseURL(url), credentials, anthropicoption.WithMaxRetries(0),
				anthropicoption.WithHTTPClient(newClient(url, "").http))
		}
		c := client(anthropicoption.WithAPIKey(h.token("scout")))
		said := []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Say the word mirror."))}
		params := anthropic.MessageNewParams{Model: "house-claude-1", MaxTokens: 100, Messages: said}
		answer, err := c.Messages.New(ctx, params)
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Content[0].Text).To(Equal("mirror"))
		Expect(answer.Usage).To(And(HaveField("InputTokens", int64(5)), HaveField("OutputTokens", int64(1))))

		s := c.Messages.NewStreaming(ctx, params)
		all := anthropic.Message{}
		for s.Next() {
			Expect(all.Accumulate(s.Current())).To(Succeed())
		}
		Expect(s.Err()).NotTo(HaveOccurred())
		Expect(all.Content[0].Text).To(Equal("mirror"))
		Expect(all.StopReason).To(Equal(anthropic.StopReasonEndTurn))

		counted, err := c.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: "house-claude-1", Messages: said})
		Expect(err).NotTo(HaveOccurred())
		Expect(counted.InputTokens).To(BeEquivalentTo(5))

		params.MaxTokens = 1001
		_, err = c.Messages.New(ctx, params)
		expectAnthropic(err, 403, "permission_error")
		stranger := client(anthropicoption.WithAuthToken("guess"))
		_, err = stranger.Messages.New(ctx, params)
		expectAnthropic(err, 401, "authentication_error")
		Eventually(func() []map[string]any { return h.records("--kind", "outcome", "--route", "messages") }).Should(
			ContainElement(And(HaveKeyWithValue("inputTokens", 5.0), HaveKeyWithValue("outputTokens", 1.0))))
	})
})

func expectAnthropic(err error, status int, kind string) {
	GinkgoHelper()
	var refused *anthropic.Error
	Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
	Expect(refused.StatusCode).To(Equal(status))
	Expect(strings.ReplaceAll(refused.RawJSON(), " ", "")).To(And(ContainSubstring(`"type":"`+kind+`"`), ContainSubstring("gate_denied")))
}
