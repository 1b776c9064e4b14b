package main

import (
	"strings"
	"unicode"
)

// tokenize splits text into words and signs. A word is a run of letters, digits, marks and apostrophes between letters; every
// other rune that is not white space is a token of its own.
func tokenize(text string) []string {
	var out []string
	runes := []rune(text)
	for i := 0; i < len(runes); {
		switch {
		case unicode.IsSpace(runes[i]):
			i++
		case wordRune(runes[i]):
			j := i + 1
			for j < len(runes) && (wordRune(runes[j]) || apostrophe(runes[j]) && j+1 < len(runes) && wordRune(runes[j+1])) {
				j++
			}
			out = append(out, string(runes[i:j]))
			i = j
		default:
			out = append(out, string(runes[i]))
			i++
		}
	}
	return out
}

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_'
}
func apostrophe(r rune) bool { return r == '\'' || r == '’' }

// piece is a token as it is printed behind others: words have a space before them.
func piece(token string, first bool) string {
	if first || !wordRune([]rune(token)[0]) {
		return token
	}
	return " " + token
}

// cutTokens cuts text behind its first n tokens and tells whether anything was cut off.
func cutTokens(text string, n int) (string, bool) {
	tokens := tokenize(text)
	if len(tokens) <= n {
		return text, false
	}
	end := 0
	for _, t := range tokens[:n] {
		end += strings.Index(text[end:], t) + len(t)
	}
	return text[:end], true
}

// pieces cuts text into one piece for each token, which together are the text.
func pieces(text string) []string {
	var out []string
	end := 0
	for _, t := range tokenize(text) {
		next := end + strings.Index(text[end:], t) + len(t)
		out = append(out, text[end:next])
		end = next
	}
	if end < len(text) && len(out) > 0 {
		out[len(out)-1] += text[end:]
	}
	return out
}
