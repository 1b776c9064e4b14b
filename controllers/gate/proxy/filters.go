package proxy

import (
	"errors"
	"slices"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// Filters are the filters of one rule, compiled. They may be used by many at once.
type Filters interface {
	// Request looks at the body of a request, which is strict JSON: it gives edits that redact, or says what it refuses, without quoting it.
	Request(body strict.Value) (edits []strict.Edit, refused string, err error)
	// Answer begins to look at an answer of a media type; nil when the filters look at requests only.
	Answer(media string) AnswerFilter
}

// AnswerFilter looks at one answer as it goes by, and may hold back what it needs to see as a whole.
type AnswerFilter interface {
	// Piece takes what comes next and gives what goes on. What it gives is good until the next call.
	Piece(p []byte) (out []byte, refused string, err error)
	// End gives what was held back.
	End() (out []byte, refused string, err error)
	// Acted tells whether it changed anything of what went on so far.
	Acted() bool
}

// filter is stage 5: all filter rules that match look at the body. Those in Shadow are counted when they would have done something.
func (x *exchange) filter(body strict.Value) ([]strict.Edit, *refusal) {
	active, shadow, err, of := x.gate.filtersOf(&x.in)
	if err != nil {
		return nil, &refusal{reason: FilterError, rule: of, err: err}
	}
	for _, r := range shadow {
		edits, refused, err := r.filters.Request(body)
		if len(edits) > 0 || refused != "" || err != nil {
			x.shadow = append(x.shadow, r)
			r.counter.hit(true, x.began)
		}
	}
	var all []strict.Edit
	for _, r := range active {
		edits, refused, err := r.filters.Request(body)
		if len(edits) > 0 || refused != "" || err != nil {
			x.filtered = append(x.filtered, r.Name)
			r.counter.hit(false, x.began)
		}
		switch {
		case err != nil:
			return nil, &refusal{reason: FilterError, rule: r, err: err}
		case refused != "":
			return nil, &refusal{reason: FilterRefused, rule: r, text: refused}
		}
		all = append(all, edits...)
	}
	x.filters = active
	x.ended(5)
	if len(all) > 0 {
		x.rewritten = true
		all = united(all)
		for _, e := range all {
			if !slices.Contains(x.edits, e.Name) {
				x.edits = append(x.edits, e.Name)
			}
		}
	}
	return all, nil
}

// united makes one edit of those that overlap, so that nothing which one of them hides is seen.
func united(edits []strict.Edit) []strict.Edit {
	if len(edits) == 0 {
		return nil
	}
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b strict.Edit) int { return a.At - b.At })
	out := edits[:1]
	for _, e := range edits[1:] {
		if last := &out[len(out)-1]; e.At < last.End {
			last.End = max(last.End, e.End)
			continue
		}
		out = append(out, e)
	}
	return out
}

// answerFilters are stage 9: one after the other, each sees what the one before lets on.
type answerFilters []*answerFilter

type answerFilter struct {
	AnswerFilter
	rule    *rule // nil for what takes out of lists what rules do not allow
	refused bool  // it refused, or could not look at the answer
}

func (x *exchange) answerFilters(media string) (out answerFilters) {
	if x.lists != nil {
		out = append(out, &answerFilter{AnswerFilter: x.lists(media)})
	}
	for _, r := range x.filters {
		if f := r.filters.Answer(media); f != nil {
			out = append(out, &answerFilter{AnswerFilter: f, rule: r})
		}
	}
	return out
}

var errFilter = errors.New("a filter cannot look at the answer")

// piece passes a piece through all of them; at the end what each held back goes through those after it.
func (fs answerFilters) piece(p []byte, end bool) ([]byte, *refusal) {
	for _, f := range fs {
		out, refused, err := f.Piece(p)
		if err == nil && refused == "" && end {
			var rest []byte
			rest, refused, err = f.End()
			out = append(slices.Clone(out), rest...)
		}
		f.refused = err != nil || refused != ""
		switch {
		case err != nil:
			return nil, &refusal{reason: AnswerRefused, rule: f.rule, err: errors.Join(errFilter, err)}
		case refused != "":
			return nil, &refusal{reason: AnswerRefused, rule: f.rule, text: refused}
		}
		p = out
	}
	return p, nil
}

// acted notes which rules did something about the answer, when it has ended. A rule that did something about the request too is counted once.
func (x *exchange) acted(fs answerFilters) {
	for _, f := range fs {
		if f.rule == nil || !f.refused && !f.Acted() {
			continue
		}
		x.answered = append(x.answered, f.rule.Name)
		if !slices.Contains(x.filtered, f.rule.Name) {
			f.rule.counter.hit(false, x.began)
		}
	}
}
