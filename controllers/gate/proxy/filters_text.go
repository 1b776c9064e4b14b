package proxy

import (
	"errors"

	"mirroros.dev/mirroros/controllers/gate/proxy/filter"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// textFilters are the filters of a rule over the texts of JSON. What hides or forbids looks at all strings, what asks for something looks at
// what is said: an id need not be as an answer must be.
type textFilters struct{ all, said *filter.Filter }

// maxAnswer is the longest answer that is looked at; a longer one is refused.
const maxAnswer = 8 << 20

// compileFilters makes the filters of a rule.
func compileFilters(configs []FilterConfig) (Filters, error) {
	var all, said []filter.Config
	for _, c := range configs {
		f := filter.Config{Type: c.Type, On: c.On, Patterns: c.Patterns, Schema: c.Schema}
		if c.Type == filter.RequirePattern || c.Type == filter.AnswerSchema {
			said = append(said, f)
		} else {
			all = append(all, f)
		}
	}
	a, err := filter.Compile(all)
	if err != nil {
		return nil, err
	}
	s, err := filter.Compile(said)
	return &textFilters{a, s}, err
}

// Request looks at the texts of a request.
func (f *textFilters) Request(body strict.Value) ([]strict.Edit, string, error) {
	if !f.all.Looks(filter.Request) && !f.said.Looks(filter.Request) {
		return nil, "", nil
	}
	texts, err := textsOf(body)
	if err != nil {
		return nil, "", err
	}
	return f.apply(filter.Request, texts)
}

// apply looks at texts, of which those that are pieces of one count as one. A text that is changed stands in the place of its first piece, and
// nothing in that of the others.
func (f *textFilters) apply(side filter.Side, texts []text) (edits []strict.Edit, refused string, err error) {
	whole, pieces, err := joined(texts)
	if err != nil {
		return nil, "", err
	}
	v := f.all.Apply(side, whole)
	if v.Refused != nil {
		return nil, v.Refused.Error(), nil
	}
	var said []string
	for i, text := range v.Texts {
		if first := texts[pieces[i][0]]; first.said && (side == filter.Request || !first.aside) {
			said = append(said, text)
		}
	}
	if s := f.said.Apply(side, said); s.Refused != nil {
		return nil, s.Refused.Error(), nil
	}
	for i, text := range v.Texts {
		if text == whole[i] {
			continue
		}
		for n, at := range pieces[i] {
			if n > 0 {
				text = ""
			}
			edits = append(edits, texts[at].Replace("redacted", strict.Quote(text)))
		}
	}
	return edits, "", nil
}

// joined puts the pieces of each text together, in the order in which the texts begin, and tells which pieces each has.
func joined(texts []text) (whole []string, pieces [][]int, err error) {
	place := map[string]int{}
	for i, t := range texts {
		s, err := t.Text()
		if err != nil {
			return nil, nil, err
		}
		at, known := place[t.of]
		if !known || !t.said {
			at = len(whole)
			place[t.of] = at
			whole, pieces = append(whole, ""), append(pieces, nil)
		}
		whole[at] += s
		pieces[at] = append(pieces[at], i)
	}
	return whole, pieces, nil
}

// Answer begins to look at an answer.
func (f *textFilters) Answer(media string) AnswerFilter {
	if !f.all.Looks(filter.Response) && !f.said.Looks(filter.Response) {
		return nil
	}
	events := media == "text/event-stream"
	if events && !f.said.Looks(filter.Response) && !f.all.Stream(filter.Response).Whole() {
		return newStreamAnswer(f.all)
	}
	return &textAnswer{filters: f, events: events}
}

// textAnswer holds an answer back until it is whole: one of JSON, and a stream where a filter asks for something, or has a pattern of which the
// longest match has no bound. All others are a streamAnswer's.
type textAnswer struct {
	filters *textFilters
	events  bool
	held    []byte
	acted   bool
}

// Acted tells whether anything was redacted.
func (a *textAnswer) Acted() bool { return a.acted }

// Piece holds a piece back.
func (a *textAnswer) Piece(p []byte) ([]byte, string, error) {
	if len(a.held)+len(p) > maxAnswer {
		return nil, "", errors.New("the answer is too long to be looked at")
	}
	a.held = append(a.held, p...)
	return nil, "", nil
}

// End gives the answer as the filters let it on.
func (a *textAnswer) End() ([]byte, string, error) {
	if len(a.held) == 0 {
		return nil, "", nil
	}
	texts, err := a.texts()
	if err != nil {
		return nil, "", err
	}
	edits, refused, err := a.filters.apply(filter.Response, texts)
	if refused != "" || err != nil {
		return nil, refused, err
	}
	a.acted = len(edits) > 0
	return strict.Apply(a.held, edits), "", nil
}

// texts of all of the answer: of each event, or of the JSON that it is.
func (a *textAnswer) texts() ([]text, error) {
	if a.events {
		said, err := readEvents(a.held)
		return said.texts, err
	}
	v, err := strict.Check(a.held)
	if err != nil {
		return nil, err
	}
	return textsOf(v)
}
