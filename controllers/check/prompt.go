package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// Gates are the way to the gates.
type Gates interface {
	// Gates are the addresses of those that listen, by name: http://host:port, or the path of a unix socket.
	Gates() map[string]string
	// CheckToken answers a token of system/check that is good for a route.
	CheckToken(ctx context.Context, route string) (string, error)
}

// maxAnswer is how much is read of an answer.
const maxAnswer = 1 << 20

// ask asks a route once, and judges what it says.
func (r *Reconciler) ask(ctx context.Context, c *specs.Check) specs.CheckMeasurement {
	rt, ok := reconcile.Get[*specs.Route](r.o.Client, c.Spec.Target.Route)
	if !ok {
		return unmade("no route/%s", c.Spec.Target.Route)
	}
	address, ok := r.o.Gates.Gates()[rt.Spec.Gate]
	if !ok {
		return unmade("gate/%s does not listen", rt.Spec.Gate)
	}
	token, err := r.o.Gates.CheckToken(ctx, rt.Name)
	if err != nil {
		return unmade("%s", err)
	}
	d := dialectOf(rt)
	req, transport, err := d.request(ctx, address, token, rt, c.Spec.Prompt)
	if err != nil {
		return unmade("cannot make the request: %s", err)
	}
	defer transport.CloseIdleConnections()
	begin := time.Now()
	res, err := transport.RoundTrip(req)
	var body []byte
	if err == nil {
		defer res.Body.Close()
		body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	}
	took := time.Since(begin)
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
		return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: fmt.Sprintf("no answer within %s", c.Spec.Timeout.Duration)}
	case err != nil:
		return unmade("gate/%s: %s", rt.Spec.Gate, cause(err))
	}
	return answered(d, res, body, took, c.Spec.Prompt.Expect)
}

// answered judges an answer by its status, and what it says when there is something: pure.
func answered(d dialect, res *http.Response, body []byte, took time.Duration, e *specs.CheckExpect) specs.CheckMeasurement {
	reason := res.Header.Get("X-Mirrorgate-Reason")
	switch code := res.StatusCode; {
	case len(body) > maxAnswer:
		return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: "the answer has more than 1 MiB"}
	case code == http.StatusOK:
		said, err := d.read(body)
		if err != nil {
			return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: "the answer is not one of the protocol"}
		}
		return judgeAnswer(said, took, e)
	case reason == "FilterRefused":
		return judgeAnswer(said{refused: true}, took, e)
	case code == http.StatusUnauthorized, code == http.StatusTooManyRequests, code >= http.StatusBadGateway, reason != "":
		return unmade("the gate answers %d %s", code, reason) // of the way there, and not of who answers
	default:
		return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: fmt.Sprintf("it answers %d %s", code, http.StatusText(code))}
	}
}

func unmade(format string, args ...any) specs.CheckMeasurement {
	return specs.CheckMeasurement{Outcome: specs.OutcomeUnknown, Message: clip(strings.TrimSpace(fmt.Sprintf(format, args...)))}
}

// cause is the innermost of a network error: the outer ones repeat addresses.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// dialect is how a protocol asks and answers.
type dialect struct {
	path string
	body func(model string, p *specs.CheckPrompt) any
	read func(body []byte) (said, error)
}

// said is what an answer says.
type said struct {
	text    string
	refused bool
	tokens  int64 // as the backend counts them; -1 when it does not
}

func dialectOf(rt *specs.Route) dialect {
	if rt.Spec.Protocol == specs.ProtocolAnthropic {
		return dialect{"/v1/messages", anthropicBody, readAnthropic}
	}
	return dialect{"/v1/chat/completions", openAIBody, readOpenAI}
}

func (d dialect) request(ctx context.Context, address, token string, rt *specs.Route, p *specs.CheckPrompt) (*http.Request, *http.Transport, error) {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
	base := address
	if strings.HasPrefix(address, "/") {
		base = "http://gate"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}
	}
	u, err := url.JoinPath(base, d.path)
	if err != nil {
		return nil, nil, err
	}
	model := p.Model
	if model == "" && len(rt.Spec.Match.Models) > 0 {
		model = rt.Spec.Match.Models[0]
	}
	body, err := json.Marshal(d.body(model, p))
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "User-Agent": {"mirroros-check"}}
	if d.path == "/v1/messages" {
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	return req, transport, nil
}

func openAIBody(model string, p *specs.CheckPrompt) any {
	return map[string]any{"model": model, "messages": p.Messages, "max_tokens": *p.MaxTokens}
}

// readOpenAI reads a chat completion (OpenAI's API reference, "The chat completion object").
func readOpenAI(body []byte) (said, error) {
	var a struct {
		Choices []struct {
			Message struct {
				Content string  `json:"content"`
				Refusal *string `json:"refusal"`
			} `json:"message"`
			FinishReason string `json:"finish_reason"`
		} `json:"choices"`
		Usage *struct {
			Tokens int64 `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return said{}, err
	}
	if len(a.Choices) == 0 {
		return said{}, errors.New("no choices")
	}
	c, out := a.Choices[0], said{tokens: -1}
	out.text = c.Message.Content
	out.refused = c.Message.Refusal != nil && *c.Message.Refusal != "" || c.FinishReason == "content_filter"
	if a.Usage != nil {
		out.tokens = a.Usage.Tokens
	}
	return out, nil
}

func anthropicBody(model string, p *specs.CheckPrompt) any {
	var system []string
	var messages []specs.CheckMessage
	for _, m := range p.Messages {
		if m.Role == specs.RoleSystem {
			system = append(system, m.Content)
		} else {
			messages = append(messages, m)
		}
	}
	out := map[string]any{"model": model, "messages": messages, "max_tokens": *p.MaxTokens}
	if len(system) > 0 {
		out["system"] = strings.Join(system, "\n\n")
	}
	return out
}

// readAnthropic reads a message (Anthropic's API reference, "Messages").
func readAnthropic(body []byte) (said, error) {
	var a struct {
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
		StopReason string `json:"stop_reason"`
		Usage      *struct {
			Tokens int64 `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return said{}, err
	}
	if a.StopReason == "" && len(a.Content) == 0 {
		return said{}, errors.New("no content")
	}
	out := said{refused: a.StopReason == "refusal", tokens: -1}
	for _, c := range a.Content {
		if c.Type == "text" {
			out.text += c.Text
		}
	}
	if a.Usage != nil {
		out.tokens = a.Usage.Tokens
	}
	return out, nil
}
