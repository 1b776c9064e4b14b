package process

import (
	"regexp"
	"slices"
	"strings"
)

// leastSecret is how long a value must be to be looked for in what programs say: shorter ones are found in everything.
const leastSecret = 4

// redactor puts the name of a variable in the place of its value, when that was taken by reference. What a program, a probe or a handler
// says ends up in status and events, and those never show such a value. The zero redactor changes nothing.
type redactor struct {
	r *strings.Replacer
	// all: the values are not known (any more), so nothing is shown.
	all bool
}

// redactor of the values in an environment. One of several lines is looked for line by line as well.
func (v *variables) redactor() redactor {
	type pair struct{ value, name string }
	var all []pair
	for _, name := range v.names {
		if !v.secret[name] {
			continue
		}
		all = append(all, pair{v.values[name], name})
		for line := range strings.Lines(v.values[name]) {
			all = append(all, pair{strings.TrimSpace(line), name})
		}
	}
	all = slices.DeleteFunc(all, func(p pair) bool { return len(p.value) < leastSecret })
	if len(all) == 0 {
		return redactor{}
	}
	slices.SortStableFunc(all, func(a, b pair) int { return len(b.value) - len(a.value) }) // of two that begin alike the longer counts
	list := make([]string, 0, 2*len(all))
	for _, p := range all {
		list = append(list, p.value, "$("+p.name+")")
	}
	return redactor{r: strings.NewReplacer(list...)}
}

func (r redactor) text(s string) string {
	switch {
	case r.all && s != "":
		return "(not shown: the values that must not be shown cannot be read any more)"
	case strings.Contains(s, tokenPrefix):
		s = tokenText.ReplaceAllString(s, "$$(TOKEN)")
	}
	if r.r == nil {
		return s
	}
	return r.r.Replace(s)
}

// Tokens for the gates are known by their shape: those of a run that an earlier operator started are known to nobody else.
const tokenPrefix = "mgt_"

var tokenText = regexp.MustCompile(tokenPrefix + `[A-Za-z0-9_-]{16,}`)

func (r redactor) lines(list []string) []string {
	if r.all && len(list) > 0 {
		return []string{r.text(list[0])}
	}
	out := make([]string, len(list))
	for i, l := range list {
		out[i] = r.text(l)
	}
	return out
}

// redactor of what an instance says: by the values that its run was given, else by those that one would be given now.
func (r *Reconciler) redactor(m *memory, o *observed, im *instanceMemory) redactor {
	if im.redact != nil {
		return *im.redact
	}
	o = o.of(m, im)
	if o.Process == nil || len(o.Process.Spec.Env)+len(o.Process.Spec.EnvFrom) == 0 {
		return redactor{}
	}
	values, f := r.resolver.environment(subject{process: o.Process, dir: o.Dir, id: im.id, ordinal: im.ordinal}, r.resolver.self, "")
	if f != nil {
		return redactor{all: true}
	}
	return values.redactor()
}
