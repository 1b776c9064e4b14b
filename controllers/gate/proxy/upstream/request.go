package upstream

import (
	"fmt"
	"net/http"
	"strconv"
)

// small bodies go out in one piece with the head, in the caller's goroutine.
const small = 64 << 10

// check refuses what would not arrive as one request.
func (r *Request) check(t Target) error {
	switch {
	case !validToken(r.Method) || r.Method == http.MethodConnect:
		return fmt.Errorf("method %q is not for a request to a backend", r.Method)
	case !validPath(r.Path):
		return fmt.Errorf("path %q is none", r.Path)
	case !validHost(t.Host):
		return fmt.Errorf("host %q is none", t.Host)
	case r.Body != nil && r.Stream != nil:
		return fmt.Errorf("a request has a Body or a Stream, not both")
	case r.Upgrade != "" && (r.Body != nil || r.Stream != nil || !validValue(r.Upgrade)):
		return fmt.Errorf("a request for another protocol has no body")
	}
	for name, values := range r.Header {
		if !validToken(name) {
			return fmt.Errorf("header %q is no name", name)
		}
		for _, v := range values {
			if !validValue(v) {
				return fmt.Errorf("header %q has a control character in its value", name)
			}
		}
	}
	return nil
}

// validPath: begins with a slash, or is * alone, and has no blank and no control character.
func validPath(s string) bool {
	if s == "*" {
		return true
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && s[0] == '/'
}

func validHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '/', c == '?', c == '#', c == '@', c == '\\':
			return false
		}
	}
	return s != ""
}

// appendHead writes the head as it goes on the wire.
func (r *Request) appendHead(b []byte, t Target) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, t.Host...)
	b = append(b, "\r\n"...)
	for name, values := range r.Header {
		if ours(name) {
			continue
		}
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, "\r\n"...)
		}
	}
	switch {
	case r.Stream != nil && r.Length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Stream != nil:
		b = appendLength(b, r.Length)
	case r.Body != nil:
		b = appendLength(b, int64(len(r.Body)))
	}
	if r.Upgrade != "" {
		b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
		b = append(b, r.Upgrade...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, n, 10)
	return append(b, "\r\n"...)
}

// ours are the fields that the client alone writes, whatever the caller left in, and whatever the case of its letters.
func ours(name string) bool {
	switch len(name) {
	case 2, 4, 6, 7, 10, 14, 16, 17:
		switch http.CanonicalHeaderKey(name) {
		case "Te", "Host", "Expect", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Content-Length", "Proxy-Connection", "Transfer-Encoding":
			return true
		}
	}
	return false
}
