package filter

import (
	"fmt"
	"slices"
)

// The types of filters.
const (
	RedactSecrets  = "RedactSecrets"
	BlockInjection = "BlockInjection"
	RequirePattern = "RequirePattern"
	ForbidPattern  = "ForbidPattern"
	AnswerSchema   = "AnswerSchema"
)

// Config is one filter of a rule.
type Config struct {
	Type string
	// On is Request, Response or Both.
	On       string
	Patterns []string
	Schema   string
}

// Side is what is looked at.
type Side string

// Both sides.
const (
	Request  Side = "Request"
	Response Side = "Response"
)

// Filter is a list of filters made ready. It is immutable.
type Filter struct {
	steps []step
}

// step is one filter.
type step struct {
	on     string
	typ    string
	finder finder    // of what is redacted, or refused
	refuse bool      // what the finder finds
	whole  *judge    // of all texts together, for those without a finder
	limit  *patterns // of ForbidPattern and others: whether a stream must be whole
}

// hit is something that was found in a text. What found it began at from, before or at its start: a word that says what it is, for instance.
type hit struct {
	from, start, end int
	kind             string
}

// finder finds things in a text.
type finder interface {
	// find answers what is in a text, in order, without overlaps.
	find(text string) []hit
	// settled is the place in a text before which nothing that begins can change any more, whatever follows the text.
	settled(text string) int
}

// Found counts what a filter found.
type Found struct {
	Type  string `json:"type"`
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// Refused says why a filter refuses. It holds nothing of the text.
type Refused struct {
	Type, Kind string
}

func (r *Refused) Error() string { return fmt.Sprintf("%s: %s", r.Type, r.Kind) }

// Verdict is what became of texts.
type Verdict struct {
	// Texts as they go on: those that were given, where nothing was changed.
	Texts   []string
	Changed bool
	Refused *Refused
	Found   []Found
}

// Compile makes filters ready. What does not compile is an error.
func Compile(configs []Config) (*Filter, error) {
	f := &Filter{}
	for i, c := range configs {
		s, err := compile(c)
		if err != nil {
			return nil, fmt.Errorf("cannot compile filter %d (%s): %w", i+1, c.Type, err)
		}
		f.steps = append(f.steps, s)
	}
	return f, nil
}

func compile(c Config) (s step, err error) {
	s = step{on: c.On, typ: c.Type}
	switch c.On {
	case string(Request), string(Response), "Both":
	case "":
		if s.on = string(Request); c.Type == AnswerSchema {
			s.on = string(Response)
		}
	default:
		return s, fmt.Errorf("on %q is none of Request, Response, Both", c.On)
	}
	var more *patterns
	if more, err = compilePatterns(c.Patterns); err != nil {
		return s, err
	}
	switch c.Type {
	case RedactSecrets:
		s.finder = finders{secrets{}, more}
	case BlockInjection:
		s.finder, s.refuse = finders{injection{}, more}, true
	case ForbidPattern:
		s.finder, s.refuse = more, true
	case RequirePattern:
		s.whole = &judge{patterns: more}
	case AnswerSchema:
		s.whole, err = newSchema(c.Schema)
		if s.on != string(Response) {
			err = fmt.Errorf("it looks at answers alone")
		}
	default:
		return s, fmt.Errorf("there is no such type")
	}
	if (c.Type == ForbidPattern || c.Type == RequirePattern) && len(c.Patterns) == 0 {
		err = fmt.Errorf("it has no patterns")
	}
	s.limit = more
	return s, err
}

func (s *step) looksAt(side Side) bool { return s.on == string(side) || s.on == "Both" }

// Looks tells whether a filter looks at a side at all.
func (f *Filter) Looks(side Side) bool {
	return slices.ContainsFunc(f.steps, func(s step) bool { return s.looksAt(side) })
}

// Apply filters the texts of a request or of an answer. After a refusal Texts must not be used.
func (f *Filter) Apply(side Side, texts []string) Verdict {
	v := Verdict{Texts: texts}
	for i := range f.steps {
		s := &f.steps[i]
		if !s.looksAt(side) {
			continue
		}
		if s.finder == nil {
			if kind := s.whole.judge(v.Texts); kind != "" {
				v.refuse(s, kind)
				return v
			}
			continue
		}
		for n, text := range v.Texts {
			hits := s.finder.find(text)
			if len(hits) == 0 {
				continue
			}
			if s.refuse {
				v.refuse(s, hits[0].kind)
				return v
			}
			if !v.Changed {
				v.Texts, v.Changed = slices.Clone(v.Texts), true
			}
			v.Texts[n] = v.redact(s, text, hits)
		}
	}
	return v
}

func (v *Verdict) refuse(s *step, kind string) {
	v.Refused = &Refused{s.typ, kind}
	v.Found = count(v.Found, s.typ, kind)
}

// redact puts marks in place of hits.
func (v *Verdict) redact(s *step, text string, hits []hit) string {
	out, at := make([]byte, 0, len(text)), 0
	for _, h := range hits {
		out = append(append(out, text[at:h.start]...), mark(h.kind)...)
		at = h.end
		v.Found = count(v.Found, s.typ, h.kind)
	}
	return string(append(out, text[at:]...))
}

func mark(kind string) string { return "[redacted: " + kind + "]" }

func count(found []Found, typ, kind string) []Found {
	for i := range found {
		if found[i].Type == typ && found[i].Kind == kind {
			found[i].Count++
			return found
		}
	}
	return append(found, Found{typ, kind, 1})
}

// finders are several as one. Of what overlaps, the first names it, and all of it counts.
type finders []finder

func (f finders) find(text string) []hit {
	var all []hit
	for _, one := range f {
		all = append(all, one.find(text)...)
	}
	return merge(all)
}

func (f finders) settled(text string) int {
	at := len(text)
	for _, one := range f {
		at = min(at, one.settled(text))
	}
	return at
}

func merge(all []hit) []hit {
	slices.SortStableFunc(all, func(a, b hit) int { return a.start - b.start })
	out := all[:0]
	for _, h := range all {
		if n := len(out); n > 0 && h.start < out[n-1].end {
			out[n-1].end, out[n-1].from = max(out[n-1].end, h.end), min(out[n-1].from, h.from)
			continue
		}
		out = append(out, h)
	}
	return out
}
