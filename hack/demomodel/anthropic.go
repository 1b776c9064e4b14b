package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// anthropicPath begins the paths of Anthropic's API.
const anthropicPath = "/v1/messages"

// body is an error in the shape of the API that the path belongs to.
func (e *apiError) body(path string) map[string]any {
	if !strings.HasPrefix(path, anthropicPath) {
		return map[string]any{"error": e}
	}
	kind := e.Type
	switch e.status {
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	}
	return map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": e.Message}}
}

// readMessages reads a request of Anthropic's API, counts its tokens and tells what was said last.
func (s *server) readMessages(w *served, r *http.Request) (q *request, last string, e *apiError) {
	if q, e = s.decode(r); e != nil {
		return nil, "", e
	}
	if len(q.Messages) == 0 {
		return nil, "", invalid("messages", "messages is missing or empty")
	}
	w.in = len(tokenize(string(q.System)))
	for i, m := range q.Messages {
		switch m.Role {
		case "user":
			last = string(m.Content)
		case "assistant":
		default:
			return nil, "", invalid("messages", "messages.%d.role %q is neither user nor assistant", i, m.Role)
		}
		w.in += len(tokenize(string(m.Content)))
	}
	return q, last, nil
}

func (s *server) countTokens(w *served, r *http.Request) *apiError {
	if _, _, e := s.readMessages(w, r); e != nil {
		return e
	}
	writeJSON(w, http.StatusOK, map[string]int{"input_tokens": w.in})
	return nil
}

func (s *server) messages(w *served, r *http.Request) *apiError {
	q, last, e := s.readMessages(w, r)
	if e != nil {
		return e
	}
	if q.MaxTokens == nil {
		return invalid("max_tokens", "max_tokens is missing")
	}
	q.Stop = q.StopSequences
	a, e := q.ask(w.in)
	if e != nil {
		return e
	}
	a.prompt, a.chat = last, true
	reply := s.model.answer(s.name, a)
	m := map[string]any{"id": fmt.Sprintf("msg_%x-%d", s.started.UnixNano(), s.serial.Add(1)), "type": "message", "role": "assistant", "model": s.name}
	if q.Stream {
		s.streamMessage(w, r, m, reply)
		return nil
	}
	w.out = len(tokenize(reply.text))
	m["content"], m["usage"] = []any{textBlock(reply.text)}, messageUsage(w)
	m["stop_reason"], m["stop_sequence"] = reply.stopReason()
	writeJSON(w, http.StatusOK, m)
	return nil
}

func textBlock(text string) map[string]any { return map[string]any{"type": "text", "text": text} }

func messageUsage(w *served) map[string]int {
	return map[string]int{"input_tokens": w.in, "output_tokens": w.out}
}

// stopReason says why an answer ended, in Anthropic's words, and which stop sequence did it or null.
func (r reply) stopReason() (reason string, sequence any) {
	switch {
	case r.stop != "":
		return "stop_sequence", r.stop
	case r.finish == "length":
		return "max_tokens", nil
	}
	return "end_turn", nil
}

// streamMessage sends the answer token by token, as Anthropic's events.
func (s *server) streamMessage(w *served, r *http.Request, m map[string]any, reply reply) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	send := func(event string, fields map[string]any) bool {
		fields["type"] = event
		b, _ := json.Marshal(fields) // of strings and numbers
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, b)
		return err == nil && out.Flush() == nil && r.Context().Err() == nil
	}
	m["content"], m["stop_reason"], m["stop_sequence"], m["usage"] = []any{}, nil, nil, messageUsage(w)
	ok := send("message_start", map[string]any{"message": m}) && send("content_block_start", map[string]any{"index": 0, "content_block": textBlock("")})
	for _, p := range pieces(reply.text) {
		delta := map[string]any{"type": "text_delta", "text": p}
		if ok = ok && s.pause(r) && send("content_block_delta", map[string]any{"index": 0, "delta": delta}); !ok {
			w.note = "the client went away"
			return
		}
		w.out++
	}
	reason, sequence := reply.stopReason()
	_ = ok && send("content_block_stop", map[string]any{"index": 0}) &&
		send("message_delta", map[string]any{"delta": map[string]any{"stop_reason": reason, "stop_sequence": sequence}, "usage": messageUsage(w)}) &&
		send("message_stop", map[string]any{})
	w.note = "stream"
}
