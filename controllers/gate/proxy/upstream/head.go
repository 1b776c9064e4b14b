package upstream

import (
	"net/http"
	"net/textproto"
	"strings"
)

// maxHead bounds the head of an answer, and its trailer, in bytes.
const maxHead = 64 << 10

// head is what an answer begins with.
type head struct {
	status int
	// minor of HTTP/1.minor.
	minor   byte
	header  http.Header
	length  int64 // -1 when the head does not say
	chunked bool
	// close: the connection is not for another request.
	close   bool
	upgrade []string
}

// parseHead reads a whole head, the empty line at its end excluded: each line of s ends with CR LF.
func parseHead(s string) (head, error) {
	line, rest, _ := strings.Cut(s, "\r\n")
	h := head{length: -1}
	if err := h.statusLine(line); err != nil {
		return h, err
	}
	var err error
	if h.header, err = parseFields(rest); err != nil {
		return h, err
	}
	if err := h.framing(); err != nil {
		return h, err
	}
	h.connection()
	return h, nil
}

// statusLine reads "HTTP/1.1 200 OK". The blank before the reason may be missing together with it.
func (h *head) statusLine(s string) error {
	if len(s) < len("HTTP/1.1 200") || (s[:8] != "HTTP/1.1" && s[:8] != "HTTP/1.0") || s[8] != ' ' {
		return errNoHTTP
	}
	h.minor = s[7] - '0'
	for _, c := range []byte(s[9:12]) {
		if c < '0' || c > '9' {
			return malformed("the status is no number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || h.status > 599 {
		return malformed("the status is not from 100 to 599")
	}
	if len(s) > 12 && (s[12] != ' ' || !validValue(s[12:])) {
		return malformed("the reason")
	}
	return nil
}

// parseFields reads the lines of a head or a trailer. Names come out in canonical form, values without blanks around them.
func parseFields(s string) (http.Header, error) {
	n := strings.Count(s, "\r\n")
	header, values := make(http.Header, n), make([]string, n)
	for s != "" {
		var line string
		line, s, _ = strings.Cut(s, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok || !validToken(name) {
			return nil, malformed("a field's name")
		}
		value = trimBlanks(value)
		if !validValue(value) {
			return nil, malformed("a field's value")
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		if before := header[key]; before != nil {
			header[key] = append(before, value)
			continue
		}
		values[0] = value
		header[key], values = values[:1:1], values[1:]
	}
	return header, nil
}

// framing says how long the body is. More than one way to read it is a fault.
func (h *head) framing() error {
	lengths, codings := h.header["Content-Length"], h.header["Transfer-Encoding"]
	if len(codings) > 0 {
		if len(lengths) > 0 {
			return malformed("both Content-Length and Transfer-Encoding")
		}
		if len(codings) > 1 || !strings.EqualFold(codings[0], "chunked") || h.minor == 0 {
			return malformed("a Transfer-Encoding other than chunked")
		}
		h.chunked = true
		return nil
	}
	if len(lengths) == 0 {
		return nil
	}
	if len(lengths) > 1 || lengths[0] == "" || len(lengths[0]) > 18 {
		return malformed("Content-Length")
	}
	h.length = 0
	for _, c := range []byte(lengths[0]) {
		if c < '0' || c > '9' {
			return malformed("Content-Length")
		}
		h.length = h.length*10 + int64(c-'0')
	}
	return nil
}

// connection takes out the fields that concern this connection alone.
func (h *head) connection() {
	h.close = h.minor == 0
	for _, v := range h.header["Connection"] {
		for token := range strings.SplitSeq(v, ",") {
			switch token = strings.ToLower(trimBlanks(token)); token {
			case "close":
				h.close = true
			case "keep-alive", "upgrade", "":
			case "content-length":
				// What frames the body is not for the backend to take away.
			default:
				delete(h.header, textproto.CanonicalMIMEHeaderKey(token))
			}
		}
	}
	for _, v := range h.header["Upgrade"] {
		for token := range strings.SplitSeq(v, ",") {
			h.upgrade = append(h.upgrade, trimBlanks(token))
		}
	}
	for _, name := range hopByHop {
		delete(h.header, name)
	}
}

// hopByHop are the fields that concern one connection alone, besides those that Connection names.
var hopByHop = [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// bodyless says that no body follows, whatever the head says.
func (h *head) bodyless(method string) bool {
	return method == http.MethodHead || h.status < 200 || h.status == http.StatusNoContent || h.status == http.StatusNotModified
}

// trimBlanks cuts the optional white space around a value.
func trimBlanks(s string) string { return strings.Trim(s, " \t") }

// validToken: the characters of a method or a field's name, and at least one.
func validToken(s string) bool {
	for i := range len(s) {
		if !tokenChars[s[i]] {
			return false
		}
	}
	return s != ""
}

// validValue: no control character but the tab.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

var tokenChars = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		t[c] = true
	}
	return t
}()
