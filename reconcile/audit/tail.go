package audit

import (
	"bytes"
	"io"
	"os"
	"time"
)

// ending is the end of a file: its last checkpoint and what follows that.
type ending struct {
	// signed is the line of the last checkpoint; nil when there is none.
	signed []byte
	// rest are the lines after it, or all lines.
	rest [][]byte
	// size up to the end of the last line, and the bytes of half a line after that.
	size, half int64
	// times of the lines of the file so far, as far as they are told.
	times span
}

// readEnding reads a file from its end backwards to its last checkpoint.
func readEnding(f *os.File) (*ending, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	for window := int64(64 << 10); ; window *= 4 {
		window = min(window, size)
		b := make([]byte, window)
		if _, err := f.ReadAt(b, size-window); err != nil && err != io.EOF {
			return nil, err
		}
		e := &ending{half: int64(len(b) - (bytes.LastIndexByte(b, '\n') + 1))}
		e.size = size - e.half
		b = b[:int64(len(b))-e.half]
		if window < size {
			b = b[bytes.IndexByte(b, '\n')+1:]
		}
		for line := range bytes.Lines(b) {
			if p, ok := placeOf(line); ok && p.is(KindCheckpoint) {
				e.signed, e.rest = line, nil
			} else {
				e.rest = append(e.rest, line)
			}
		}
		if e.signed != nil || window == size {
			e.times = e.span()
			return e, nil
		}
	}
}

// last line, without which seq is 0.
func (e *ending) last() (seq uint64, hash digest) {
	line := e.signed
	if len(e.rest) > 0 {
		line = e.rest[len(e.rest)-1]
	}
	p, _ := placeOf(line)
	return p.seq, digestOf(line)
}

// span is a range of times, both ends belong to it.
type span struct{ from, to time.Time }

func (s *span) add(t time.Time) {
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

// span of the file's lines. Clocks jump, so first and last line do not tell it: the last checkpoint does, with the lines after it.
func (e *ending) span() (s span) {
	if e.signed != nil {
		if n, err := parseNote(e.signed); err == nil {
			s = span{n.From, n.To}
			s.add(n.Time)
		}
	}
	for _, line := range e.rest {
		if p, ok := placeOf(line); ok {
			if t, err := time.Parse(time.RFC3339Nano, string(p.time)); err == nil {
				s.add(t)
			}
		}
	}
	return s
}

// endingOf a file by its path.
func endingOf(path string) (*ending, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readEnding(f)
}
