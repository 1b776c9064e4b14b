package specs

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ErrUnknownVariable is what Expand's error wraps when lookup does not know a name.
var ErrUnknownVariable = errors.New("no such variable")

// Expand replaces $(NAME) in a text by Kubernetes' rules: $$ is one $ and begins nothing, so $$(NAME) stays as $(NAME); what
// cannot be a variable's name, such as $(date +%s), stays as it is. A name that lookup does not know is an error that names it.
func Expand(s string, lookup func(name string) (string, bool)) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:i])
		switch name, ok := reference(s[i:]); {
		case s[i+1] == '$':
			b.WriteByte('$')
			s = s[i+2:]
		case ok:
			value, known := lookup(name)
			if !known {
				return "", fmt.Errorf("cannot expand $(%s): %w", name, ErrUnknownVariable)
			}
			b.WriteString(value)
			s = s[i+len(name)+3:]
		default:
			b.WriteByte('$')
			s = s[i+1:]
		}
	}
}

// maxNameBytes bounds a variable's name, so that a text of many $( and no ) is read once.
const maxNameBytes = 256

// reference reads the name in a text that begins with $(NAME).
func reference(s string) (name string, ok bool) {
	if !strings.HasPrefix(s, "$(") {
		return "", false
	}
	end := strings.IndexByte(s[:min(len(s), maxNameBytes)], ')')
	if end < 0 || len(validation.IsEnvVarName(s[2:end])) > 0 {
		return "", false
	}
	return s[2:end], true
}

// Variables are the names that a text refers to, in order, each as often as it is there.
func Variables(s string) []string {
	var names []string
	_, _ = Expand(s, func(name string) (string, bool) {
		names = append(names, name)
		return "", true
	})
	return names
}
