package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
)

// kindPattern is the kind of what a rule's own pattern finds, with its number from 1.
const kindPattern = "Pattern"

const (
	// longest match that a stream waits for; patterns with longer ones are judged when the text is whole.
	longest = 4 << 10
	// ahead is how far a pattern may look past its match.
	ahead = utf8.UTFMax
)

// patterns are the regular expressions of a rule.
type patterns struct {
	all []*regexp.Regexp
	// reach is the length of the longest match; whole tells that there is no bound, or that the place in the text counts.
	reach int
	whole bool
}

func compilePatterns(texts []string) (*patterns, error) {
	p := &patterns{}
	for _, text := range texts {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		if re.MatchString("") {
			return nil, fmt.Errorf("pattern %q matches where there is nothing", text)
		}
		parsed, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			return nil, err
		}
		n := reach(parsed)
		p.whole = p.whole || n < 0 || n > longest
		p.reach = max(p.reach, n)
		p.all = append(p.all, re)
	}
	return p, nil
}

func (p *patterns) find(text string) (out []hit) {
	for i, re := range p.all {
		for _, m := range re.FindAllStringIndex(text, -1) {
			out = append(out, hit{m[0], m[0], m[1], fmt.Sprintf("%s%d", kindPattern, i+1)})
		}
	}
	return merge(out)
}

func (p *patterns) settled(text string) int {
	if len(p.all) == 0 {
		return len(text)
	}
	return runeStart(text, max(0, len(text)-p.reach-ahead))
}

// runeStart goes back to where a character begins.
func runeStart(text string, i int) int {
	for i > 0 && i < len(text) && !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}

// reach is the number of bytes of the longest match, -1 when there is no bound or the beginning or end of the text counts.
func reach(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return utf8.UTFMax * len(re.Rune) // a letter of the other case may be longer
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpStar, syntax.OpPlus, syntax.OpBeginText, syntax.OpEndText:
		return -1
	case syntax.OpCapture, syntax.OpQuest:
		return reach(re.Sub[0])
	case syntax.OpRepeat:
		n := reach(re.Sub[0])
		if n < 0 || re.Max < 0 {
			return -1
		}
		return n * re.Max
	case syntax.OpConcat, syntax.OpAlternate:
		total := 0
		for _, sub := range re.Sub {
			n := reach(sub)
			if n < 0 {
				return -1
			}
			if re.Op == syntax.OpConcat {
				total += n
			} else {
				total = max(total, n)
			}
		}
		return total
	}
	return 0
}

// judge looks at all texts together, when they are whole.
type judge struct {
	patterns *patterns
	schema   *jsonschema.Resolved
}

func newSchema(text string) (*judge, error) {
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("its schema is no JSON schema: %v", err)
	}
	r, err := s.Resolve(nil) // without a loader: what it refers to must be in it
	if err != nil {
		return nil, fmt.Errorf("its schema is no JSON schema: %v", err)
	}
	return &judge{schema: r}, nil
}

// judge answers what kind of refusal it is; empty when nothing is wrong.
func (j *judge) judge(texts []string) string {
	if j.schema == nil {
		for _, text := range texts {
			for _, re := range j.patterns.all {
				if re.MatchString(text) {
					return ""
				}
			}
		}
		return "NoMatch"
	}
	if len(texts) == 0 {
		return "NoJSON"
	}
	for _, text := range texts {
		value, err := decode(text)
		if err != nil {
			return "NoJSON"
		}
		if j.schema.Validate(value) != nil { // which would quote the text
			return "NotOfSchema"
		}
	}
	return ""
}

// decode takes one JSON value and nothing after it.
func decode(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	if err = d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one value")
	}
	return v, nil
}
