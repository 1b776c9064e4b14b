package cli

import (
	"errors"
	"strings"
)

// splitWords splits a command line as a shell does, with quotes and backslashes, and without a shell: nothing is expanded. What only a
// shell could do (pipes, redirections) is refused, since the program would get it as an argument.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, plain := false, true
	flush := func() error {
		if w := word.String(); plain && shellOnly(w) {
			return errors.New(w + " needs a shell; write: sh -c '…'")
		}
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in, plain = false, true
		return nil
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n':
			if err := flush(); err != nil {
				return nil, err
			}
		case '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a ' is not closed")
			}
			word.WriteString(s[i+1 : i+1+end])
			in, plain, i = true, false, i+1+end
		case '"':
			end, err := doubleQuoted(s[i+1:], &word)
			if err != nil {
				return nil, err
			}
			in, plain, i = true, false, i+1+end
		case '\\':
			if i++; i == len(s) {
				return nil, errors.New(`it ends with a \`)
			}
			word.WriteByte(s[i])
			in, plain = true, false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	return words, flush()
}

// doubleQuoted writes what is between double quotes, and answers where the closing one is.
func doubleQuoted(s string, word *strings.Builder) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i, nil
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, errors.New(`a " is not closed`)
}

// shellOnly tells whether an unquoted word means something to a shell only.
func shellOnly(w string) bool {
	switch w {
	case "|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1":
		return true
	}
	return false
}
