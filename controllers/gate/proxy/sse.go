package proxy

import (
	"bytes"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// maxEvent is the largest event that is looked at as a whole.
const maxEvent = 1 << 20

// events looks at a stream of server-sent events as it goes by: it finds the usage, and takes the event out that tells nothing else, when it
// was the gate that asked for it.
type events struct {
	tap   tap
	meter *meter
	// drop the event with the usage alone.
	drop bool
	// held is the begin of an event that is not complete yet, when events are dropped.
	held, out []byte
	// line is the begin of a line that is not complete yet, when they are not.
	line []byte
	skip bool // the line is too long to look at
}

// feed takes a piece of the stream and gives what goes on of it. What it gives is good until the next call.
func (e *events) feed(p []byte) []byte {
	if !e.drop {
		e.look(p)
		return p
	}
	if len(e.held) == 0 && endsEvent(p) && !tellsUsage(p) { // as nearly all do: nothing to take out
		e.look(p)
		return p
	}
	e.held = append(e.held, p...)
	e.out = e.out[:0]
	for {
		n := endOfEvent(e.held)
		if n < 0 {
			break
		}
		if e.look(e.held[:n]); !usageOnly(e.held[:n]) {
			e.out = append(e.out, e.held[:n]...)
		}
		e.held = e.held[n:]
	}
	if len(e.held) > maxEvent {
		e.look(e.held)
		e.out, e.held, e.drop = append(e.out, e.held...), nil, false
	}
	return e.out
}

// rest gives what is held at the end of the stream, which may end without a blank line, or even within one.
func (e *events) rest() []byte {
	out := e.held
	e.look(out)
	e.look([]byte{'\n'})
	if e.held = nil; usageOnly(out) && e.drop {
		return nil
	}
	return out
}

// endOfEvent gives the length of the first event with the blank line that ends it, or -1.
func endOfEvent(p []byte) int {
	n := -1
	for _, end := range []string{"\n\n", "\r\n\r\n", "\n\r\n", "\r\r"} {
		if i := bytes.Index(p, []byte(end)); i >= 0 && (n < 0 || i+len(end) < n) {
			n = i + len(end)
		}
	}
	return n
}

// endsEvent tells that a piece that begins with an event ends with one too.
func endsEvent(p []byte) bool {
	return bytes.HasSuffix(p, []byte("\n\n")) || bytes.HasSuffix(p, []byte("\r\n\r\n"))
}

// tellsUsage tells whether an object named usage may be in a text: nearly all events of a stream say that theirs is null.
func tellsUsage(p []byte) bool {
	const name = `"usage"`
	for {
		i := bytes.Index(p, []byte(name))
		if i < 0 {
			return false
		}
		p = bytes.TrimLeft(p[i+len(name):], " \t\r\n")
		if rest, ok := bytes.CutPrefix(p, []byte(":")); ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("{")) {
			return true
		}
	}
}

// look finds the usage in the lines of data.
func (e *events) look(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			e.keep(p)
			return
		}
		line := p[:i]
		if p = p[i+1:]; len(e.line) > 0 || e.skip {
			e.keep(line)
			line = e.line
		}
		if !e.skip {
			e.take(line)
		}
		e.line, e.skip = e.line[:0], false
	}
}

func (e *events) keep(p []byte) {
	if e.skip = e.skip || len(e.line)+len(p) > maxEvent; e.skip {
		e.line = e.line[:0]
		return
	}
	e.line = append(e.line, p...)
}

func (e *events) take(line []byte) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return
	}
	if e.meter.event(data); !tellsUsage(data) {
		return
	}
	e.tap.reset()
	e.tap.feed(data)
}

// usageOnly tells whether an event holds the usage of a chat and no choice.
func usageOnly(event []byte) bool {
	if !tellsUsage(event) {
		return false
	}
	data, ok := bytes.CutPrefix(bytes.TrimSpace(event), []byte("data:"))
	if !ok || bytes.IndexByte(data, '\n') >= 0 {
		return false
	}
	v, err := strict.Check(data)
	if err != nil || !v.IsObject() {
		return false
	}
	empty, has := false, false
	err = v.Fields([]string{"choices", "usage"}, func(name string, value strict.Value) error {
		if name == "usage" {
			has = value.IsObject()
		} else {
			empty = value.IsArray() && len(bytes.TrimSpace(value.Raw[1:len(value.Raw)-1])) == 0
		}
		return nil
	})
	return err == nil && empty && has
}
