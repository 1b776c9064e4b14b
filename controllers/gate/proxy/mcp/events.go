package mcp

import (
	"bytes"
	"errors"
)

// maxEvent bounds one event of a stream, in bytes.
const maxEvent = 16 << 20

// Events filters a stream of server-sent events, as Filter does each message in it. Events of which nothing is taken out, comments and all
// other fields stay byte for byte. The zero value with Allowed is ready.
type Events struct {
	Allowed Allowed
	// Dropped counts what was taken out.
	Dropped int

	buf     []byte
	scanned int // of buf, without an event's end in it
}

// Feed takes the next piece of the stream and gives what may go on, which is good until the next call. After an error nothing may.
func (e *Events) Feed(p []byte) ([]byte, error) {
	e.buf = append(e.buf, p...)
	var out []byte
	for {
		end := eventEnd(e.buf, max(0, e.scanned-3))
		if end < 0 {
			if e.scanned = len(e.buf); len(e.buf) > maxEvent {
				return nil, errors.New("cannot read the server's answer: an event is larger than 16 MiB")
			}
			return out, nil
		}
		event, err := e.event(e.buf[:end])
		if err != nil {
			return nil, err
		}
		out = append(out, event...)
		e.buf, e.scanned = append(e.buf[:0:0], e.buf[end:]...), 0
	}
}

// Rest is what an unfinished event at the end of the stream leaves. Readers drop it, and so does this.
func (e *Events) Rest() int { return len(e.buf) }

// eventEnd finds the index after the empty line that ends an event, or -1. Lines end with LF, CR LF or CR.
func eventEnd(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		n := lineEnd(b, i)
		if n == 0 || i+n >= len(b) {
			continue
		}
		if m := lineEnd(b, i+n); m > 0 {
			if i+n+m == len(b) && b[i+n] == '\r' && m == 1 && n == 2 {
				return -1 // its LF is on the way
			}
			return i + n + m
		}
	}
	return -1
}

// lineEnd is the length of a line's end at i, 0 when there is none.
func lineEnd(b []byte, i int) int {
	switch {
	case b[i] == '\n':
		return 1
	case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return 2
	case b[i] == '\r':
		return 1
	}
	return 0
}

// event filters one.
func (e *Events) event(raw []byte) ([]byte, error) {
	lines := bytes.FieldsFunc(raw, func(r rune) bool { return r == '\n' || r == '\r' })
	var data, others [][]byte
	for _, line := range lines {
		if value, ok := dataOf(line); ok {
			data = append(data, value)
		} else {
			others = append(others, line)
		}
	}
	text := bytes.Join(data, []byte("\n"))
	if len(bytes.TrimSpace(text)) == 0 {
		return raw, nil
	}
	filtered, dropped, err := Filter(text, e.Allowed)
	if err != nil {
		return nil, err
	}
	if dropped == 0 {
		return raw, nil
	}
	e.Dropped += dropped
	for line := range bytes.SplitSeq(filtered, []byte("\n")) {
		others = append(others, append([]byte("data: "), line...))
	}
	return append(bytes.Join(others, []byte("\n")), "\n\n"...), nil
}

// dataOf gives the value of a line of data. The first line of a stream may begin with a byte order mark.
func dataOf(line []byte) ([]byte, bool) {
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	if string(line) == "data" {
		return nil, true
	}
	value, ok := bytes.CutPrefix(line, []byte("data:"))
	return bytes.TrimPrefix(value, []byte(" ")), ok
}
