package specs

import (
	"fmt"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Bounds of a prompt.
const (
	maxCheckMessages  = 32
	maxCheckText      = 64 << 10
	maxCheckTokens    = 4096
	maxExpectations   = 32
	maxExpectedLength = 4096
)

func (v *checkValidator) prompt(at *field.Path) {
	p := v.s.Prompt
	v.messages(at.Child("messages"), p.Messages)
	if p.Model != "" {
		v.pattern(at.Child("model"), p.Model)
	}
	if n := *p.MaxTokens; n < 1 || n > maxCheckTokens {
		v.invalid(at.Child("maxTokens"), n, "must be from 1 to %d", maxCheckTokens)
	}
	if p.Expect != nil {
		v.expect(at.Child("expect"), p.Expect)
	}
}

func (v *checkValidator) messages(at *field.Path, list []CheckMessage) {
	switch n := len(list); {
	case n == 0:
		v.add(field.Required(at, "a list of {role: user, content: TEXT}"))
		return
	case n > maxCheckMessages:
		v.invalid(at, n, "must be at most %d messages", maxCheckMessages)
	}
	size := 0
	for i, m := range list {
		v.required(at.Index(i).Child("role"), string(m.Role), string(RoleSystem), string(RoleUser), string(RoleAssistant))
		if m.Content == "" {
			v.add(field.Required(at.Index(i).Child("content"), ""))
		}
		size += len(m.Content)
	}
	if size > maxCheckText {
		v.invalid(at, fmt.Sprintf("%d bytes", size), "must have at most %d bytes together", maxCheckText)
	}
	if last := len(list) - 1; list[last].Role == RoleSystem || list[last].Role == RoleAssistant {
		v.invalid(at.Index(last).Child("role"), string(list[last].Role), "must be user: the last message is what is asked")
	}
}

func (v *checkValidator) expect(at *field.Path, e *CheckExpect) {
	for i, w := range e.Contains {
		v.expected(at.Child("contains").Index(i), w)
	}
	for _, f := range []struct {
		name string
		list []string
	}{{"matches", e.Matches}, {"doesNotMatch", e.DoesNotMatch}} {
		for i, p := range f.list {
			v.expected(at.Child(f.name).Index(i), p)
			if _, err := regexp.Compile(p); err != nil {
				v.invalid(at.Child(f.name).Index(i), p, "%s", err)
			}
		}
	}
	if n := len(e.Contains) + len(e.Matches) + len(e.DoesNotMatch); n > maxExpectations {
		v.invalid(at, n, "must be at most %d words and patterns", maxExpectations)
	}
	if e.RefusalExpected && len(e.Contains)+len(e.Matches) > 0 {
		v.add(field.Forbidden(at.Child("refusalExpected"), "a refusal need not have a text: remove contains and matches, or look for an apology with matches alone"))
	}
	if l := e.MaxLatency; l != nil {
		v.duration(at.Child("maxLatency"), l, metav1.Duration{Duration: 1}, metav1.Duration{})
		if l.Duration > v.s.Timeout.Duration {
			v.invalid(at.Child("maxLatency"), l.Duration.String(), "must be at most spec.timeout, which is %s: what takes longer has no answer", v.s.Timeout.Duration)
		}
	}
	if n := e.MaxTokens; n != nil && *n < 1 {
		v.invalid(at.Child("maxTokens"), *n, "must be at least 1")
	}
}

func (v *checkValidator) expected(at *field.Path, s string) {
	switch {
	case s == "":
		v.add(field.Required(at, "what every answer has says nothing"))
	case len(s) > maxExpectedLength:
		v.invalid(at, fmt.Sprintf("%d bytes", len(s)), "must have at most %d bytes", maxExpectedLength)
	}
}
