package check

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"mirroros.dev/mirroros/specs"
)

// maxExcerpt is how much of an answer a status may hold, in bytes.
const maxExcerpt = 200

// judgeAnswer says whether an answer is as expected, and the first thing in which it is not: pure. Its message repeats what was expected and
// nothing of the answer.
func judgeAnswer(a said, took time.Duration, e *specs.CheckExpect) specs.CheckMeasurement {
	if e == nil {
		e = &specs.CheckExpect{}
	}
	if why := wrong(a, took, e); why != "" {
		return specs.CheckMeasurement{Outcome: specs.OutcomeFailure, Message: clip(why), Excerpt: excerpt(a.text)}
	}
	return specs.CheckMeasurement{Outcome: specs.OutcomeSuccess}
}

// wrong says in what an answer is not as expected; empty when it is.
func wrong(a said, took time.Duration, e *specs.CheckExpect) string {
	switch {
	case a.refused && !e.RefusalExpected:
		return "it refuses"
	case !a.refused && e.RefusalExpected:
		return "it does not refuse"
	}
	for _, w := range e.Contains {
		if !strings.Contains(a.text, w) {
			return fmt.Sprintf("the answer does not contain %q", w)
		}
	}
	for _, p := range e.Matches {
		if !matches(p, a.text) {
			return fmt.Sprintf("the answer does not match %q", p)
		}
	}
	for _, p := range e.DoesNotMatch {
		if matches(p, a.text) {
			return fmt.Sprintf("the answer matches %q", p)
		}
	}
	switch {
	case e.MaxLatency != nil && took > e.MaxLatency.Duration:
		return fmt.Sprintf("the answer took longer than %s", e.MaxLatency.Duration)
	case e.MaxTokens != nil && a.tokens < 0 && !a.refused:
		return "the backend does not tell how many tokens the answer has"
	case e.MaxTokens != nil && a.tokens > int64(*e.MaxTokens):
		return fmt.Sprintf("the answer has %d tokens, more than %d", a.tokens, *e.MaxTokens)
	}
	return ""
}

// matches tells whether a text has what an expression means. Admission lets in none that does not compile.
func matches(pattern, text string) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(text)
}

// excerpt is the beginning of a text in one line.
func excerpt(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxExcerpt)], "")
}
