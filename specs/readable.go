package specs

import (
	"bytes"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// MaxDocumentBytes is the largest document of a manifest. A larger one is a fault.
const MaxDocumentBytes = 1 << 20

var utf8BOM = []byte("\xef\xbb\xbf")

// unreadable tells what keeps a file from being read at all, with the line where there is one.
func unreadable(file string, data []byte) (Fault, bool) {
	at := func(offset int, message string) (Fault, bool) {
		line := 1 + bytes.Count(data[:offset], []byte("\n"))
		column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:offset], '\n')+1:offset])
		return Fault{File: file, Line: line, Column: column, Message: message}, true
	}
	whole := func(format string, args ...any) (Fault, bool) {
		return Fault{File: file, Message: fmt.Sprintf(format, args...)}, true
	}
	if len(data) > MaxFileBytes {
		return whole("the file has %d bytes; a manifest has at most %d. Exclude it with Stack spec.source.exclude when it is none", len(data), MaxFileBytes)
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return whole("the file is UTF-16; save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, utf8BOM)
	if len(bytes.TrimSpace(data)) == 0 {
		return whole("the file is empty: write a manifest into it, or remove it")
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return at(i, "has a NUL byte: this is no text, or it was not written to its end")
	}
	if !utf8.Valid(data) {
		return at(invalidAt(data), "is not UTF-8; save the file as UTF-8")
	}
	if i := lineBreakAt(data); i >= 0 {
		return at(i, "has a line break that editors do not show as one (CR, NEL, LS or PS); use LF or CRLF, and an escape such as \"\\L\" within quotes")
	}
	return Fault{}, false
}

func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// lineBreakAt finds a character that YAML counts as a line break and that is no LF: lines would be counted otherwise than here.
func lineBreakAt(data []byte) int {
	for i := 0; ; i++ {
		n := bytes.IndexByte(data[i:], '\r')
		if n < 0 {
			break
		}
		if i += n; i+1 < len(data) && data[i+1] != '\n' {
			return i
		}
	}
	for _, s := range []string{"\u0085", "\u2028", "\u2029"} {
		if i := bytes.Index(data, []byte(s)); i >= 0 {
			return i
		}
	}
	return -1
}

// special are anchors and tags at the beginning of a value: only the walk over nodes bounds and understands them.
var special = regexp.MustCompile(`(^|[\s\[\]{},:?-])(&[0-9A-Za-z_-]|!)`)

// plain tells whether a document may go the quick way: it has no anchors, aliases or tags, and its first line is not indented and
// begins with a letter, so that the quick parser reads it to its end.
func plain(text []byte) bool {
	if len(text) > MaxDocumentBytes || len(text) == 0 || !isLetter(text[0]) {
		return false
	}
	if bytes.IndexByte(text, '&') < 0 && bytes.IndexByte(text, '!') < 0 {
		return true
	}
	return !special.Match(text)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// ambiguous tells whether JSON made from YAML holds something that only the nodes can judge: an empty value, what looks like a
// date, or a status.
func ambiguous(data []byte) bool {
	return bytes.Contains(data, []byte("null")) || bytes.Contains(data, []byte(`"status":`)) || dateLike(data)
}

// dateLike finds four digits and a hyphen at the beginning of a string.
func dateLike(data []byte) bool {
	for i := 0; i+6 < len(data); i++ {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 || i+n+6 > len(data) {
			return false
		}
		i += n
		if d := data[i+1 : i+6]; d[4] == '-' && digits(d[:4]) {
			return true
		}
	}
	return false
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
