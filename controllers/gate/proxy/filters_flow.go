package proxy

import (
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/filter"
)

// heldPiece is a piece of a text, and what goes on in its place.
type heldPiece struct {
	text
	event *heldEvent
	was   string
	out   string
}

// flow is a text that comes in pieces. One that paused may go on: what comes then waits for its next pause, and is held against what went
// before, since what is to be hidden may reach over the pause.
type flow struct {
	filters *filter.Filter
	stream  *filter.Stream // nil after the first pause
	last    *heldPiece     // the piece that waits; nil when nothing is held
	before  string         // the end of what came
	again   []*heldPiece   // what came since the last pause, after the first
}

// keptBefore is how much of a text is kept to look at once more: longer than anything that is redacted or refused in a stream, but a key of
// many lines, which is judged by its first.
const keptBefore = 16 << 10

// add takes the next piece. What the stream lets go of goes with the piece before it, which needs not wait any more.
func (f *flow) add(p *heldPiece) (refused string) {
	if f.stream == nil {
		f.again = append(f.again, p)
		p.event.open++
		return ""
	}
	f.keep(p.was)
	let, why := f.stream.Write(p.was)
	if why != nil {
		return why.Error()
	}
	f.give(p, let)
	if f.stream.Holds() {
		f.last = p
		p.event.open++
	}
	return ""
}

// give puts what was let go of into the piece that waited for it, or else into another.
func (f *flow) give(other *heldPiece, let string) {
	if f.last == nil {
		other.out = let
		return
	}
	f.last.out += let
	f.last.event.open--
	f.last = nil
}

func (f *flow) keep(text string) {
	f.before += text
	if cut := len(f.before) - keptBefore; cut > keptBefore { // now and then
		f.before = strings.Clone(f.before[cut:])
	}
}

// end lets go of what is held: the text pauses, or has ended.
func (f *flow) end() (refused string) {
	if f.stream != nil {
		rest, why := f.stream.Close()
		if why != nil {
			return why.Error()
		}
		if f.last != nil {
			f.give(nil, rest)
		}
		f.stream = nil
		return ""
	}
	if len(f.again) == 0 {
		return ""
	}
	now := ""
	for _, p := range f.again {
		now += p.was
		p.event.open--
	}
	apart := f.filters.Apply(filter.Response, []string{f.before, now})
	whole := f.filters.Apply(filter.Response, []string{f.before + now})
	switch {
	case apart.Refused != nil:
		return apart.Refused.Error()
	case whole.Refused != nil:
		return whole.Refused.Error()
	case whole.Texts[0] != apart.Texts[0]+apart.Texts[1]:
		return "what must be hidden stands on both sides of a pause"
	}
	f.again[0].out = apart.Texts[1]
	f.again = nil
	f.keep(now)
	return ""
}
