package strict

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Edit replaces the bytes of a text from At up to End by New. With End equal to At it is put in between.
type Edit struct {
	// Name of what is changed, for people.
	Name    string
	At, End int
	New     []byte
}

// Apply gives the text with the edits, which do not overlap, in any order. Without edits it is the text itself.
func Apply(text []byte, edits []Edit) []byte {
	if len(edits) == 0 {
		return text
	}
	return Append(make([]byte, 0, Size(text, edits)), text, edits)
}

// Size of a text with the edits.
func Size(text []byte, edits []Edit) int {
	size := len(text)
	for _, e := range edits {
		size += len(e.New) - (e.End - e.At)
	}
	return size
}

// Append puts a text with the edits, which do not overlap, in any order, after what is in out.
func Append(out, text []byte, edits []Edit) []byte {
	order := func(a, b Edit) int { return a.At - b.At }
	if !slices.IsSortedFunc(edits, order) {
		edits = slices.Clone(edits)
		slices.SortStableFunc(edits, order)
	}
	at := 0
	for _, e := range edits {
		out = append(append(out, text[at:e.At]...), e.New...)
		at = e.End
	}
	return append(out, text[at:]...)
}

// Replace is the edit that puts new JSON in the place of a value.
func (v Value) Replace(name string, json []byte) Edit {
	return Edit{Name: name, At: v.At, End: v.End(), New: json}
}

// Insert is the edit that puts a member in front of the others of an object that has none of that name.
func (v Value) Insert(member string, json []byte) Edit {
	b := append(append(append([]byte{}, '"'), member...), '"', ':')
	b = append(b, json...)
	if v.Raw[space(v.Raw, 1)] != '}' {
		b = append(b, ',')
	}
	return Edit{Name: member, At: v.At + 1, End: v.At + 1, New: b}
}

// Quote gives a string as JSON.
func Quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // not UTF-8; the quoted form holds replacement characters
		return b
	}
	return b
}

// Number gives a number as JSON.
func Number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
