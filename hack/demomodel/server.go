package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// server answers as OpenAI's API does, and messages as Anthropic's.
type server struct {
	name    string
	model   *ngram
	delay   time.Duration // for each token of a stream
	started time.Time
	serial  atomic.Int64
	log     io.Writer
}

// served is what the log says of a request.
type served struct {
	http.ResponseWriter
	status  int
	in, out int
	note    string
}

func (s *served) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *served) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *server) handler() http.Handler {
	routes := []struct {
		method, path string
		serve        func(w *served, r *http.Request) *apiError
	}{
		{"GET", "/health", s.health},
		{"GET", "/v1/models", s.models},
		{"GET", "/v1/models/{model}", s.oneModel},
		{"POST", "/v1/chat/completions", s.chat},
		{"POST", "/v1/completions", s.completion},
		{"POST", "/v1/embeddings", s.embeddings},
		{"POST", "/v1/messages", s.messages},
		{"POST", "/v1/messages/count_tokens", s.countTokens},
	}
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.HandleFunc(route.path, func(w http.ResponseWriter, r *http.Request) {
			s.logged(w, r, func(w *served, r *http.Request) *apiError {
				if r.Method != route.method && !(r.Method == http.MethodHead && route.method == http.MethodGet) {
					w.Header().Set("Allow", route.method)
					return invalid("", "%s takes %s, not %s", route.path, route.method, r.Method).coded(http.StatusMethodNotAllowed, "method_not_allowed")
				}
				return route.serve(w, r)
			})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.logged(w, r, func(*served, *http.Request) *apiError {
			return invalid("", "there is no %s here", r.URL.Path).coded(http.StatusNotFound, "unknown_url")
		})
	})
	return mux
}

// logged writes one line for a request; a health check that is well is not worth one.
func (s *server) logged(w http.ResponseWriter, r *http.Request, serve func(*served, *http.Request) *apiError) {
	start := time.Now()
	sw := &served{ResponseWriter: w, status: http.StatusOK}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if e := serve(sw, r); e != nil {
		sw.note = e.Message
		writeJSON(sw, e.status, e.body(r.URL.Path))
	}
	if r.URL.Path == "/health" && sw.status == http.StatusOK {
		return
	}
	line := fmt.Sprintf("%s %q %d %s in=%d out=%d", r.Method, r.URL.Path, sw.status, time.Since(start).Round(10*time.Microsecond), sw.in, sw.out)
	if sw.note != "" {
		line += fmt.Sprintf(" %q", sw.note)
	}
	fmt.Fprintln(s.log, line)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"cannot write the answer","type":"server_error","param":null,"code":null}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

func (s *server) health(w *served, _ *http.Request) *apiError {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "model": s.name, "description": about})
	return nil
}

func (s *server) describe() map[string]any {
	return map[string]any{"id": s.name, "object": "model", "created": s.started.Unix(), "owned_by": "mirroros-demo",
		"description": about, "context_length": maxContext}
}

func (s *server) models(w *served, _ *http.Request) *apiError {
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{s.describe()}})
	return nil
}

func (s *server) oneModel(w *served, r *http.Request) *apiError {
	if e := s.known(r.PathValue("model")); e != nil {
		return e
	}
	writeJSON(w, http.StatusOK, s.describe())
	return nil
}

// known takes the model's name, and the name of its family: "tiny" is "tiny-1" too.
func (s *server) known(model string) *apiError {
	switch {
	case model == "":
		return invalid("model", "model is missing")
	case model != s.name && !strings.HasPrefix(s.name, model+"-"):
		return invalid("model", "there is no model %q here, only %q", model, s.name).coded(http.StatusNotFound, "model_not_found")
	}
	return nil
}

// decode reads a request's body.
func (s *server) decode(r *http.Request) (*request, *apiError) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, invalid("", "the body may have %d bytes at most", maxBody).coded(http.StatusRequestEntityTooLarge, "request_too_large")
	case err != nil:
		return nil, invalid("", "cannot read the body")
	}
	q := &request{}
	if err := json.Unmarshal(b, q); err != nil {
		var at *json.UnmarshalTypeError
		if errors.As(err, &at) {
			return nil, invalid(at.Field, "%s must be of type %s, not %s", at.Field, at.Type, at.Value)
		}
		return nil, invalid("", "the body is not a valid request: %s", err)
	}
	return q, s.known(q.Model)
}

func (s *server) embeddings(w *served, r *http.Request) *apiError {
	q, e := s.decode(r)
	if e != nil {
		return e
	}
	n := dimensions
	if q.Dimensions != nil {
		n = *q.Dimensions
	}
	switch {
	case len(q.Input) == 0 || len(q.Input) > maxInputs:
		return invalid("input", "input must be 1 to %d texts, not %d", maxInputs, len(q.Input))
	case n < 1 || n > 4*dimensions:
		return invalid("dimensions", "dimensions must be from 1 to %d, not %d", 4*dimensions, n)
	case q.EncodingFormat != "" && q.EncodingFormat != "float" && q.EncodingFormat != "base64":
		return invalid("encoding_format", "encoding_format must be float or base64, not %q", q.EncodingFormat)
	}
	var data []any
	for i, text := range q.Input {
		w.in += len(tokenize(text))
		var v any = embed(text, n)
		if q.EncodingFormat == "base64" {
			v = base64Floats(embed(text, n))
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": v})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "model": s.name, "data": data,
		"usage": usage{PromptTokens: w.in, TotalTokens: w.in}})
	return nil
}
