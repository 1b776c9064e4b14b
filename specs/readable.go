package specs

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// MaxDocumentBytes is the largest document of a manifest. A larger one is a fault.
const MaxDocumentBytes = 256 << 10

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
