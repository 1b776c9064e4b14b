package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// dialect is how a client is told of a refusal: the media type and the body.
type dialect func(status int, reason Reason, message, id string) (media string, body []byte)

const jsonMedia = "application/json"

// openAIError has the shape of OpenAI's errors.
func openAIError(status int, reason Reason, message, id string) (string, []byte) {
	code := "gate_denied"
	if reason == NoModel {
		code = "model_not_found"
	}
	kind := "invalid_request_error"
	switch {
	case status == http.StatusUnauthorized:
		kind = "authentication_error"
	case status == http.StatusForbidden:
		kind = "permission_error"
	case status == http.StatusTooManyRequests:
		kind, code = "rate_limit_error", "rate_limit_exceeded"
	case status >= 500:
		kind = "server_error"
	}
	return jsonMedia, fmt.Appendf(nil, `{"error":{"message":%s,"type":%q,"param":null,"code":%q,"reason":%q,"request_id":%q}}`+"\n",
		strict.Quote(message), kind, code, reason, id)
}

// anthropicError has the shape of Anthropic's errors.
func anthropicError(status int, reason Reason, message, id string) (string, []byte) {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusUnauthorized:
		kind = "authentication_error"
	case status == http.StatusForbidden:
		kind = "permission_error"
	case status == http.StatusNotFound:
		kind = "not_found_error"
	case status == http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status == http.StatusServiceUnavailable:
		kind = "overloaded_error"
	case status == http.StatusGatewayTimeout:
		kind = "timeout_error"
	case status >= 500:
		kind = "api_error"
	}
	return jsonMedia, fmt.Appendf(nil, `{"type":"error","error":{"type":%q,"message":%s,"code":"gate_denied","reason":%q},"request_id":%q}`+"\n",
		kind, strict.Quote(message), reason, id)
}

// plainError is for clients of which nothing is known.
func plainError(_ int, reason Reason, message, id string) (string, []byte) {
	return jsonMedia, fmt.Appendf(nil, `{"error":%s,"code":"gate_denied","reason":%q,"requestId":%q}`+"\n", strict.Quote(message), reason, id)
}

// dialectOf guesses the dialect of a request that may be refused before its route is known.
func dialectOf(r *http.Request) dialect {
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, "/v1/messages"), strings.HasPrefix(path, "/v1/models") && isAnthropic(r.Header):
		return anthropicError
	case strings.HasPrefix(path, "/v1/"):
		return openAIError
	}
	return plainError
}

// isAnthropic tells which of the two that share a path is meant.
func isAnthropic(h http.Header) bool { return h.Get("Anthropic-Version") != "" }
