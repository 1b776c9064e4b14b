package specs

import (
	"strconv"

	"mirroros.dev/mirroros/specs/expr"
)

// suggestion is the word nearest to what was written, among those that would be right; empty when none is near.
func suggestion(word string, known []string) string { return expr.Nearest(word, known) }

// DidYouMean ends a message with the word that may be meant, among those that would be right: `, did you mean "command"?`, or nothing
// when none is near.
func DidYouMean(word string, known []string) string {
	if s := suggestion(word, known); s != "" {
		return ", did you mean " + quote(s) + "?"
	}
	return ""
}

// quote puts a text in double quotes; a long one is cut.
func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "..."
	}
	return strconv.Quote(s)
}
