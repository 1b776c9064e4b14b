package specs

import "bytes"

// part is one document of a file: its text from its first line with content on, and that line's number from 1.
type part struct {
	text []byte
	line int
}

// split cuts a file at the lines that YAML reads as ends of documents. Parts that hold only comments are left out. The texts
// share data's memory.
func split(data []byte) []part {
	var parts []part
	start, startLine, line := 0, 1, 0
	flush := func(end int, explicit bool) {
		if p, ok := trimPart(data[start:end], startLine, explicit); ok {
			parts = append(parts, p)
		}
	}
	for at := 0; at < len(data); {
		line++
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		switch l := data[at:next]; {
		case isMarker(l, "---"):
			flush(at, true)
			start, startLine = at, line
			if !hasContent(l[3:]) {
				start, startLine = next, line+1
			}
		case isMarker(l, "..."):
			flush(at, false)
			start, startLine = next, line+1
		}
		at = next
	}
	flush(len(data), false)
	return parts
}

// isMarker tells whether a line is the mark, alone or before a space.
func isMarker(line []byte, mark string) bool {
	if !bytes.HasPrefix(line, []byte(mark)) {
		return false
	}
	return len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0
}

// hasContent tells whether a line holds more than space and a comment.
func hasContent(line []byte) bool {
	line = bytes.TrimLeft(line, " \t\r\n")
	return len(line) > 0 && line[0] != '#'
}

// trimPart drops lines without content from the beginning of a text, and directives where --- follows; and empty lines from its end.
func trimPart(text []byte, line int, explicit bool) (part, bool) {
	for len(text) > 0 {
		next := len(text)
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			next = i + 1
		}
		if l := text[:next]; hasContent(l) && !(explicit && l[0] == '%') {
			return part{bytes.TrimRight(text, " \t\r\n"), line}, true
		}
		text = text[next:]
		line++
	}
	return part{}, false
}
