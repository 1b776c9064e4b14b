package specs

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

var yamlError = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// syntaxFault turns an error of the YAML parser into a fault at its line.
func (d *Document) syntaxFault(err error) Fault {
	f := Fault{File: d.File, Line: d.Line}
	if isUnit(d.Text) {
		f.Message = "this looks like a systemd unit; write a Process for it, or exclude the file with Stack spec.source.exclude"
		return f
	}
	if errors.Is(err, errTrailing) || strings.Contains(err.Error(), "expected <document start>") {
		f.Message = "what follows the first lines is indented less than they are: begin every line of the same mapping in the same column"
		return f
	}
	m := yamlError.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line := 1
	if m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	if n := d.firstBadLine(err); n > 0 {
		line = n
	}
	f.Line = d.Line + line - 1
	f.Message = "is no YAML: " + m[2]
	if text := lineAt(d.Text, line); hasTabIndent(text) {
		f.Column = 1 + bytes.IndexByte(text, '\t')
		f.Message = "is indented with a tab; YAML wants spaces"
	} else if h := syntaxHint(m[2]); h != "" {
		f.Message += "; " + h
	}
	return f
}

// firstBadLine finds where a parser fails: it names the line where what it was reading began. The shortest text that fails in the
// same way ends with the line that is wrong. 0 when that does not help.
func (d *Document) firstBadLine(err error) int {
	lines := bytes.SplitAfter(d.Text, []byte("\n"))
	if len(d.Text) > 64<<10 {
		return 0
	}
	reason := yamlError.FindStringSubmatch(err.Error())[2]
	n := 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, e := parseNodes(bytes.Join(lines[:i+1], nil))
		return e != nil && !errors.Is(e, io.EOF) && yamlError.FindStringSubmatch(e.Error())[2] == reason
	})
	return n
}

// isUnit tells whether a text begins like a systemd unit.
func isUnit(text []byte) bool {
	return regexp.MustCompile(`^\[(Unit|Service|Install|Timer|Socket|Path|Mount)\]`).Match(text)
}

func lineAt(text []byte, line int) []byte {
	lines := bytes.SplitN(text, []byte("\n"), line+1)
	if line < 1 || line > len(lines) {
		return nil
	}
	return lines[line-1]
}

func hasTabIndent(line []byte) bool {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	return bytes.IndexByte(indent, '\t') >= 0
}

// syntaxHint says what is most often behind an error of the parser.
func syntaxHint(message string) string {
	for part, hint := range map[string]string{
		"mapping values are not allowed": "a value with a colon and a space in it needs quotes, and the line above may be indented otherwise",
		"did not find expected key":      "a line is indented otherwise than those beside it, or a quote is not closed",
		"did not find expected '-'":      "an item of the list is indented otherwise than those beside it",
		"cannot start any token":         "a value that begins with %, @ or ` needs quotes",
		"found unexpected end of stream": "a quote is not closed",
		"did not find expected ',' or":   "a bracket is not closed, or a value within brackets needs quotes",
		"unknown anchor":                 "a value that begins with * needs quotes",
	} {
		if strings.Contains(message, part) {
			return hint
		}
	}
	return ""
}
