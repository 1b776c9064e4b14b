package specs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checks gathers the faults of one object.
type checks struct{ faults field.ErrorList }

func (v *checks) add(e ...*field.Error) { v.faults = append(v.faults, e...) }

func (v *checks) invalid(at *field.Path, value any, format string, args ...any) {
	v.add(field.Invalid(at, value, fmt.Sprintf(format, args...)))
}

// text refuses what no argument, variable or path can hold.
func (v *checks) text(at *field.Path, s string) {
	if strings.IndexByte(s, 0) >= 0 {
		v.invalid(at, s, "must not have a NUL byte")
	}
}

// oneOf refuses a value that is none of those known.
func (v *checks) oneOf(at *field.Path, value string, known ...string) {
	if !slices.Contains(known, value) {
		v.add(notSupported(at, value, known))
	}
}

// required is oneOf for a field that has no default.
func (v *checks) required(at *field.Path, value string, known ...string) {
	if value == "" {
		v.add(field.Required(at, "write "+orList(known)))
		return
	}
	v.oneOf(at, value, known...)
}

// notSupported says which values there are, and which one may be meant.
func notSupported(at *field.Path, value string, known []string) *field.Error {
	return field.Invalid(at, value, "must be "+orList(known)+DidYouMean(value, known))
}

// orList is A, B or C.
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// name checks the name of another object; why says what it is for, where it is missing.
func (v *checks) name(at *field.Path, name, why string) {
	if name == "" {
		v.add(field.Required(at, why))
		return
	}
	for _, m := range validation.IsDNS1123Label(name) {
		v.invalid(at, name, "%s", m)
	}
}

// names checks a list of names: check tells what is wrong with one, and no two may be the same.
func (v *checks) names(at *field.Path, names []string, check func(at *field.Path, name string)) {
	seen := make(map[string]bool, len(names))
	for i, n := range names {
		if seen[n] {
			v.add(field.Duplicate(at.Index(i), n))
		} else {
			check(at.Index(i), n)
		}
		seen[n] = true
	}
}

// pattern checks a name of a model, tool, resource or prompt, which may end in *.
func (v *checks) pattern(at *field.Path, name string) {
	switch {
	case strings.TrimSpace(name) == "":
		v.add(field.Required(at, "a name"))
	case strings.Contains(strings.TrimSuffix(name, "*"), "*"):
		v.invalid(at, name, "may have a * at its end only")
	case strings.TrimSpace(name) != name || hasControl(name):
		v.invalid(at, name, "must have no spaces at its ends, and no control characters")
	case len(name) > 1024:
		v.invalid(at, name, "must have at most 1024 bytes")
	}
}

// duration checks a duration that must be in a range; 0 for most is no bound.
func (v *checks) duration(at *field.Path, d *metav1.Duration, least, most metav1.Duration) {
	switch {
	case d == nil:
	case d.Duration < least.Duration && least.Duration == 0:
		v.invalid(at, d.Duration.String(), "must not be negative")
	case d.Duration < least.Duration:
		v.invalid(at, d.Duration.String(), "must be at least %s", least.Duration)
	case most.Duration > 0 && d.Duration > most.Duration:
		v.invalid(at, d.Duration.String(), "must be at most %s", most.Duration)
	}
}

// oneLine refuses what would not stay in one line of a header or a table.
func (v *checks) oneLine(at *field.Path, s string, most int) {
	if hasControl(s) || len(s) > most {
		v.invalid(at, s, "must be one line of at most %d bytes", most)
	}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

var absolutePath = regexp.MustCompile(`^(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?$`)

// urlPath checks a path of requests: absolute, clean, and without what a server may read in two ways.
func (v *checks) urlPath(at *field.Path, p string) {
	switch {
	case !strings.HasPrefix(p, "/"):
		v.invalid(at, p, "must begin with /")
	case !absolutePath.MatchString(p):
		v.invalid(at, p, "must be a plain path: no query, no %% and no empty part")
	case p != "/" && strings.HasSuffix(p, "/"):
		v.invalid(at, p, "must not end in /: what is below it is meant anyhow")
	case slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return s == "." || s == ".." }):
		v.invalid(at, p, "must have no . or .. in it")
	}
}
