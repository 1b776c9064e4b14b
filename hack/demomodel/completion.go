package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// kind is what differs between the two kinds of completion.
type kind struct {
	prefix, object, chunk string
	// choice is a whole answer's choice, delta a chunk's; finish is "" before the last.
	choice func(text, finish string) map[string]any
	delta  func(text, finish string) map[string]any
	first  map[string]any // the chunk before the first token, if any
}

func oneChoice(key string, value any, finish string) map[string]any {
	c := map[string]any{"index": 0, key: value, "logprobs": nil, "finish_reason": nil}
	if finish != "" {
		c["finish_reason"] = finish
	}
	return c
}

var chatKind = kind{
	prefix: "chatcmpl", object: "chat.completion", chunk: "chat.completion.chunk",
	choice: func(text, finish string) map[string]any {
		return oneChoice("message", map[string]any{"role": "assistant", "content": text, "refusal": nil}, finish)
	},
	delta: func(text, finish string) map[string]any {
		if finish != "" {
			return oneChoice("delta", map[string]any{}, finish)
		}
		return oneChoice("delta", map[string]any{"content": text}, "")
	},
	first: oneChoice("delta", map[string]any{"role": "assistant", "content": ""}, ""),
}

var textKind = kind{
	prefix: "cmpl", object: "text_completion", chunk: "text_completion",
	choice: func(text, finish string) map[string]any { return oneChoice("text", text, finish) },
	delta:  func(text, finish string) map[string]any { return oneChoice("text", text, finish) },
}

func (s *server) chat(w *served, r *http.Request) *apiError {
	q, e := s.decode(r)
	if e != nil {
		return e
	}
	if len(q.Messages) == 0 {
		return invalid("messages", "messages is missing or empty")
	}
	last := ""
	for i, m := range q.Messages {
		switch m.Role {
		case "user":
			last = string(m.Content)
		case "system", "developer", "assistant", "tool", "function":
		default:
			return invalid(fmt.Sprintf("messages[%d].role", i), "messages[%d].role %q is none of system, developer, user, assistant, tool", i, m.Role)
		}
		w.in += len(tokenize(string(m.Content)))
	}
	return s.complete(w, r, q, chatKind, last)
}

func (s *server) completion(w *served, r *http.Request) *apiError {
	q, e := s.decode(r)
	if e != nil {
		return e
	}
	if len(q.Prompt) != 1 {
		return invalid("prompt", "prompt must be one text, not %d", len(q.Prompt))
	}
	w.in = len(tokenize(q.Prompt[0]))
	return s.complete(w, r, q, textKind, q.Prompt[0])
}

// complete answers, whole or as a stream. The usage counts what was read and what is sent.
func (s *server) complete(w *served, r *http.Request, q *request, k kind, prompt string) *apiError {
	a, e := q.ask(w.in)
	if e != nil {
		return e
	}
	a.prompt, a.chat = prompt, k.first != nil
	reply := s.model.answer(s.name, a)
	head := map[string]any{"id": fmt.Sprintf("%s-%x-%d", k.prefix, s.started.UnixNano(), s.serial.Add(1)),
		"created": time.Now().Unix(), "model": s.name, "system_fingerprint": "ngram-" + fmt.Sprint(order)}
	if q.Stream {
		s.stream(w, r, q, k, head, reply)
		return nil
	}
	w.out = len(tokenize(reply.text))
	head["object"], head["choices"] = k.object, []any{k.choice(reply.text, reply.finish)}
	head["usage"] = usageOf(w.in, w.out)
	writeJSON(w, http.StatusOK, head)
	return nil
}

// stream sends the answer token by token, as server-sent events.
func (s *server) stream(w *served, r *http.Request, q *request, k kind, head map[string]any, reply reply) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	head["object"] = k.chunk
	withUsage := q.StreamOptions != nil && q.StreamOptions.IncludeUsage
	if withUsage {
		head["usage"] = nil
	}
	send := func(choices ...any) bool {
		head["choices"] = append([]any{}, choices...)
		b, _ := json.Marshal(head) // of strings and numbers
		_, err := fmt.Fprintf(w, "data: %s\n\n", b)
		return err == nil && out.Flush() == nil && r.Context().Err() == nil
	}
	ok := k.first == nil || send(k.first)
	for _, p := range pieces(reply.text) {
		if ok = ok && s.pause(r) && send(k.delta(p, "")); !ok {
			w.note = "the client went away"
			return
		}
		w.out++
	}
	ok = ok && send(k.delta("", reply.finish))
	if withUsage {
		head["usage"] = usageOf(w.in, w.out)
		ok = ok && send()
	}
	if ok {
		_, _ = fmt.Fprint(w, "data: [DONE]\n\n")
		_ = out.Flush()
	}
	w.note = "stream"
}

// pause waits before a token; false when the client has gone away.
func (s *server) pause(r *http.Request) bool {
	if s.delay <= 0 {
		return true
	}
	select {
	case <-time.After(s.delay):
		return true
	case <-r.Context().Done():
		return false
	}
}
