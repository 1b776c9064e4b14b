package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The limits of a request.
const (
	maxBody      = 1 << 20
	maxContext   = 8192 // tokens of prompt and answer
	defaultLimit = 128
	maxInputs    = 256
	maxStops     = 4
	dimensions   = 256
)

// apiError is an error in OpenAI's shape.
type apiError struct {
	status  int
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func invalid(param, format string, args ...any) *apiError {
	e := &apiError{status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Type: "invalid_request_error"}
	if param != "" {
		e.Param = &param
	}
	return e
}

func (e *apiError) coded(status int, code string) *apiError {
	e.status, e.Code = status, &code
	return e
}

// request has the fields of all endpoints, System and StopSequences those of Anthropic's; what is not here is passed over.
type request struct {
	Model               string      `json:"model"`
	Messages            []message   `json:"messages"`
	Prompt              oneOrMore   `json:"prompt"`
	Input               oneOrMore   `json:"input"`
	Stop                oneOrMore   `json:"stop"`
	MaxTokens           *int        `json:"max_tokens"`
	MaxCompletionTokens *int        `json:"max_completion_tokens"`
	Temperature         *float64    `json:"temperature"`
	Seed                *int64      `json:"seed"`
	N                   *int        `json:"n"`
	Stream              bool        `json:"stream"`
	StreamOptions       *streamOpts `json:"stream_options"`
	Dimensions          *int        `json:"dimensions"`
	EncodingFormat      string      `json:"encoding_format"`
	System              parts       `json:"system"`
	StopSequences       []string    `json:"stop_sequences"`
}

type streamOpts struct {
	IncludeUsage bool `json:"include_usage"`
}

type message struct {
	Role    string `json:"role"`
	Content parts  `json:"content"`
}

// parts is a message's content: a text, or a list of parts that are texts.
type parts string

func (p *parts) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*p = parts(text)
		return nil
	}
	var list []struct{ Type, Text string }
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("content must be a string or a list of parts")
	}
	var all []string
	for _, part := range list {
		if part.Type != "text" {
			return fmt.Errorf("content of type %q cannot be read by %s", part.Type, about)
		}
		all = append(all, part.Text)
	}
	*p = parts(strings.Join(all, "\n"))
	return nil
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one *string
	if json.Unmarshal(b, &one) == nil {
		if one != nil {
			*o = oneOrMore{*one}
		}
		return nil
	}
	var more []string
	if err := json.Unmarshal(b, &more); err != nil {
		return fmt.Errorf("it must be a string or a list of strings")
	}
	*o = more
	return nil
}

type usage struct {
	PromptTokens     int  `json:"prompt_tokens"`
	CompletionTokens *int `json:"completion_tokens,omitempty"`
	TotalTokens      int  `json:"total_tokens"`
}

func usageOf(prompt, completion int) *usage {
	return &usage{PromptTokens: prompt, CompletionTokens: &completion, TotalTokens: prompt + completion}
}

// ask checks what both kinds of completion share.
func (q *request) ask(promptTokens int) (ask, *apiError) {
	a := ask{limit: defaultLimit, temperature: 1, seed: q.Seed, stop: q.Stop}
	for _, limit := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if limit != nil {
			a.limit = *limit
		}
	}
	switch {
	case a.limit < 1:
		return a, invalid("max_tokens", "max_tokens must be at least 1, not %d", a.limit)
	case promptTokens+1 > maxContext:
		return a, invalid("messages", "the context is %d tokens at most, the prompt alone has %d", maxContext, promptTokens).
			coded(http.StatusBadRequest, "context_length_exceeded")
	case q.N != nil && *q.N != 1:
		return a, invalid("n", "n must be 1, not %d", *q.N)
	case len(q.Stop) > maxStops:
		return a, invalid("stop", "stop may have %d sequences, not %d", maxStops, len(q.Stop))
	}
	a.limit = min(a.limit, maxContext-promptTokens)
	if q.Temperature != nil {
		a.temperature = *q.Temperature
	}
	if !(a.temperature >= 0 && a.temperature <= 2) {
		return a, invalid("temperature", "temperature must be from 0 to 2, not %g", a.temperature)
	}
	return a, nil
}
