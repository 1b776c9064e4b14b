package proxy

import (
	"bytes"
	"errors"
	"strings"

	"mirroros.dev/mirroros/controllers/gate/proxy/filter"
	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// streamAnswer filters a stream of events as it goes by. Each event goes on whole, in its order, as soon as it is certain what of its texts
// may. What is held of a text is put into the last event that has a piece of it, which waits, and all after it, for the next piece or the
// text's end.
type streamAnswer struct {
	filters *filter.Filter
	rest    []byte // of an event that has not ended
	queue   []*heldEvent
	flows   map[string]*flow // by what text.of says
	size    int              // bytes held
	acted   bool
	out     []byte
}

// heldEvent is an event that may not go on yet.
type heldEvent struct {
	raw    []byte
	pieces []*heldPiece
	open   int // pieces that wait
}

func newStreamAnswer(f *filter.Filter) *streamAnswer {
	return &streamAnswer{filters: f, flows: map[string]*flow{}}
}

// Piece takes what comes next and gives what goes on.
func (a *streamAnswer) Piece(p []byte) ([]byte, string, error) {
	if a.size += len(p); a.size > maxAnswer {
		return nil, "", errors.New("more is held of the answer than can be looked at")
	}
	a.rest = append(a.rest, p...)
	for n := endOfEvent(a.rest); n >= 0; n = endOfEvent(a.rest) {
		if refused, err := a.event(bytes.Clone(a.rest[:n])); refused != "" || err != nil {
			return nil, refused, err
		}
		a.rest = a.rest[n:]
	}
	return a.ready(), "", nil
}

// End gives what was held: every text has ended.
func (a *streamAnswer) End() ([]byte, string, error) {
	if len(a.rest) > 0 {
		if refused, err := a.event(bytes.Clone(a.rest)); refused != "" || err != nil {
			return nil, refused, err
		}
		a.rest = nil
	}
	if refused := a.close(""); refused != "" {
		return nil, refused, nil
	}
	return a.ready(), "", nil
}

// Acted tells whether anything was redacted.
func (a *streamAnswer) Acted() bool { return a.acted }

// event looks at the next one.
func (a *streamAnswer) event(raw []byte) (refused string, err error) {
	e := &heldEvent{raw: raw}
	a.queue = append(a.queue, e)
	said, err := readEvents(raw)
	if err != nil {
		return "", err
	}
	for _, t := range said.texts {
		p := &heldPiece{text: t, event: e}
		if p.was, err = t.Text(); err != nil {
			return "", err
		}
		e.pieces = append(e.pieces, p)
		if !t.said || said.alone {
			v := a.filters.Apply(filter.Response, []string{p.was})
			if v.Refused != nil {
				return v.Refused.Error(), nil
			}
			p.out = v.Texts[0]
			continue
		}
		if p.was == "" {
			continue
		}
		if refused = a.pause(t.of); refused == "" {
			refused = a.flow(t.of).add(p)
		}
		if refused != "" {
			return refused, nil
		}
	}
	if said.ends != "" {
		refused = a.close(said.ends)
	}
	return refused, nil
}

func (a *streamAnswer) flow(of string) *flow {
	f := a.flows[of]
	if f == nil {
		f = &flow{filters: a.filters, stream: a.filters.Stream(filter.Response)}
		a.flows[of] = f
	}
	return f
}

// pause lets go of the texts beside one that goes on: a model that answers has thought, as a rule.
func (a *streamAnswer) pause(beside string) (refused string) {
	group := groupOf(beside)
	for of, f := range a.flows {
		if group != "" && of != beside && strings.HasPrefix(of, group) && refused == "" {
			refused = f.end()
		}
	}
	return refused
}

// groupOf is what the texts have in common of which a model says one after the other; empty for none.
func groupOf(of string) string {
	const delta = "/delta/"
	i := strings.Index(of, delta)
	if i < 0 {
		return ""
	}
	return of[:i+len(delta)]
}

// close ends the texts that are below a path.
func (a *streamAnswer) close(below string) (refused string) {
	for of, f := range a.flows {
		if strings.HasPrefix(of, below) && refused == "" {
			refused = f.end()
			delete(a.flows, of)
		}
	}
	return refused
}

// ready gives the events that need not wait.
func (a *streamAnswer) ready() []byte {
	a.out = a.out[:0]
	for len(a.queue) > 0 && a.queue[0].open == 0 {
		e := a.queue[0]
		a.queue = a.queue[1:]
		a.size -= len(e.raw)
		var edits []strict.Edit
		for _, p := range e.pieces {
			if p.out != p.was {
				edits = append(edits, p.Replace("redacted", strict.Quote(p.out)))
			}
		}
		a.acted = a.acted || len(edits) > 0
		a.out = append(a.out, strict.Apply(e.raw, edits)...)
	}
	return a.out
}

// eventsSaid is what events say.
type eventsSaid struct {
	texts []text
	// alone: each text is whole by itself, as in a message of JSON-RPC, and no piece of one that goes on in other events.
	alone bool
	// ends is the path of texts that have ended; empty for none.
	ends string
}

// readEvents reads the texts in the data of one event or several. What another reader would take for other lines is an error.
func readEvents(events []byte) (said eventsSaid, err error) {
	at := 0
	for line := range bytes.Lines(events) {
		from := at
		at += len(line)
		if i := bytes.IndexByte(line, '\r'); i >= 0 && i != len(line)-2 {
			return said, errors.New("a line of the stream ends with a carriage return alone")
		}
		data, ok := bytes.CutPrefix(bytes.TrimPrefix(line, []byte("\ufeff")), []byte("data:"))
		if trimmed := bytes.TrimSpace(data); !ok || len(trimmed) == 0 || string(trimmed) == "[DONE]" {
			continue
		}
		v, err := strict.Check(data)
		if err != nil {
			return said, err
		}
		if v.IsObject() {
			said.kind(v)
		}
		v.At += from + len(line) - len(data)
		found, err := textsOf(v)
		if err != nil {
			return said, err
		}
		said.texts = append(said.texts, found...)
	}
	return said, nil
}

// kind finds out what an event is, by how the protocol frames it.
func (s *eventsSaid) kind(v strict.Value) {
	_ = v.Fields([]string{"jsonrpc", "type"}, func(name string, value strict.Value) error {
		if name == "jsonrpc" {
			s.alone = true
			return nil
		}
		kind, err := value.Text()
		switch {
		case err != nil:
		case kind == "content_block_stop": // Anthropic
			if i := indexOfObject(v); i != "" {
				s.ends = "/" + i + "/"
			}
		case strings.HasPrefix(kind, "response.") && !strings.HasSuffix(kind, ".delta"): // OpenAI's Responses: all but deltas tell it whole
			s.alone = true
		}
		return nil
	})
}
