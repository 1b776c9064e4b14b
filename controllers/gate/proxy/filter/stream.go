package filter

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxWhole bounds a text that must be whole: a longer one is refused.
	maxWhole = 4 << 20
	// maxHeld bounds what is held back of a text that goes on; beside that, keepBack bytes are kept, which is longer than any secret that is
	// not swallowed.
	maxHeld  = 16 << 10
	keepBack = 4 << 10
)

// Stream filters one text that comes in pieces. It belongs to one goroutine.
type Stream struct {
	stages  []*stage
	found   []Found
	refused *Refused
}

// Stream begins a text. Each text of an answer needs one of its own.
func (f *Filter) Stream(side Side) *Stream {
	s := &Stream{}
	for i := range f.steps {
		if step := &f.steps[i]; step.looksAt(side) {
			s.stages = append(s.stages, &stage{step: step, whole: step.finder == nil || step.limit.whole})
		}
	}
	return s
}

// Whole tells that nothing of the text goes on before it has ended.
func (s *Stream) Whole() bool {
	for _, t := range s.stages {
		if t.whole {
			return true
		}
	}
	return false
}

// Holds tells that something of what was written may still be let go of, or changed.
func (s *Stream) Holds() bool {
	for _, t := range s.stages {
		if t.held != "" || t.swallow != nil {
			return true
		}
	}
	return false
}

// Write takes the next piece and answers what may go on. After a refusal nothing more does.
func (s *Stream) Write(piece string) (string, *Refused) { return s.pass(0, piece, false) }

// Close answers the rest.
func (s *Stream) Close() (string, *Refused) {
	out := ""
	for i := range s.stages {
		rest, refused := s.pass(i, "", true)
		if refused != nil {
			return "", refused
		}
		out += rest
	}
	return out, nil
}

// Found counts what was found so far.
func (s *Stream) Found() []Found { return s.found }

// pass gives a piece to a stage and what comes out to those after it; with end, the text ends for the first of them.
func (s *Stream) pass(from int, piece string, end bool) (string, *Refused) {
	if s.refused != nil {
		return "", s.refused
	}
	for i, t := range s.stages[from:] {
		t.held += piece
		piece, s.refused = t.release(s, end && i == 0)
		if s.refused != nil {
			s.found = count(s.found, s.refused.Type, s.refused.Kind)
			return "", s.refused
		}
	}
	return piece, nil
}

// stage is one filter at work on a stream.
type stage struct {
	*step
	whole bool
	// held is what may not go on yet; before is the character before it.
	held   string
	before string
	// swallow takes the rest of what was too long to wait for.
	swallow func(text string) (rest int, done bool)
}

// release lets go of what is settled.
func (t *stage) release(s *Stream, end bool) (string, *Refused) {
	if t.whole {
		return t.releaseWhole(s, end)
	}
	if t.swallow != nil {
		n, done := t.swallow(t.held)
		if t.held = t.held[n:]; !done {
			return "", nil
		}
		t.swallow = nil
	}
	to, forced := len(t.held), false
	if !end {
		if to = t.finder.settled(t.held); len(t.held)-to > maxHeld {
			to, forced = runeStart(t.held, len(t.held)-keepBack), true
		}
	}
	return t.upTo(s, to, forced)
}

// upTo lets go of what begins before a place. What reaches past it stays, since what comes later may make more of it; where it is forced,
// it goes, and the rest of it is swallowed.
func (t *stage) upTo(s *Stream, to int, forced bool) (string, *Refused) {
	hits := t.find()
	for i := len(hits) - 1; i >= 0 && !forced; i-- { // from the last on: what stays may keep what is before it
		if h := hits[i]; h.from < to && h.end > to && !t.refuse {
			to = h.from
		}
	}
	out, at := "", 0
	for _, h := range hits {
		if h.from >= to {
			continue
		}
		if t.refuse {
			return "", &Refused{t.typ, h.kind}
		}
		out += t.held[at:h.start] + mark(h.kind)
		at, to = h.end, max(to, h.end)
		s.found = count(s.found, t.typ, h.kind)
		if forced && h.end == len(t.held) {
			t.swallow = swallowOf(h.kind)
		}
	}
	out += t.held[at:to]
	t.let(to)
	return out, nil
}

// find looks at what is held with the character before it, since patterns look at that.
func (t *stage) find() []hit {
	n := len(t.before)
	hits := t.finder.find(t.before + t.held)
	for i := range hits {
		if hits[i].from < n { // that was let go of: without it, what overlaps it is seen
			return t.finder.find(t.held)
		}
		hits[i].from, hits[i].start, hits[i].end = hits[i].from-n, hits[i].start-n, hits[i].end-n
	}
	return hits
}

func (t *stage) let(to int) {
	if to == 0 {
		return
	}
	_, size := utf8.DecodeLastRuneInString(t.held[:to])
	t.before, t.held = strings.Clone(t.held[to-size:to]), t.held[to:]
}

func (t *stage) releaseWhole(s *Stream, end bool) (string, *Refused) {
	if len(t.held) > maxWhole {
		return "", &Refused{t.typ, "TooLong"}
	}
	if !end {
		return "", nil
	}
	text := t.held
	t.held = ""
	v := (&Filter{steps: []step{*t.step}}).Apply(Side(t.side()), []string{text})
	if v.Refused != nil {
		return "", v.Refused
	}
	for _, f := range v.Found {
		for range f.Count {
			s.found = count(s.found, f.Type, f.Kind)
		}
	}
	return v.Texts[0], nil
}

// side is one that the filter looks at.
func (s *step) side() string {
	if s.on == "Both" {
		return string(Request)
	}
	return s.on
}

// swallowOf a kind of secret that is longer than what is held: a private key to its end, all others to the end of the word.
func swallowOf(kind string) func(string) (int, bool) {
	if kind == "PrivateKey" {
		return func(text string) (int, bool) {
			if m := endOfKey.FindStringIndex(text); m != nil {
				return m[1], true
			}
			return max(0, len(text)-64), false // the end may be cut in two
		}
	}
	return func(text string) (int, bool) {
		n := strings.IndexAny(text, " \t\r\n\"'`,;<>(){}[]")
		if n < 0 {
			return len(text), false
		}
		return n, true
	}
}
