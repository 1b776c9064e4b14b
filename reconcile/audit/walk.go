package audit

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"
)

// walk follows one chain from line to line.
type walk struct {
	*verifier
	name   string
	entry  *entry
	claims []claim // in the order of their numbers
	every  bool    // look at every signature

	// seq and hash are those of the last line that is good.
	seq      uint64
	hash     digest
	lines    uint64
	unsigned int
	half     int
	from, to time.Time

	// badSignature: the problem is a signature, and there may be one before it.
	badSignature bool

	file string
	line int
	// signed is the last checkpoint of the file so far.
	signed     []byte
	signedLine int
}

// run reads all files of the chain.
func (w *walk) run(numbers []int, every bool) (*Problem, error) {
	w.every = every
	want := 1
	if w.entry != nil && w.entry.First > 1 {
		want, w.seq = w.entry.First, w.entry.Base
	}
	slices.SortStableFunc(w.claims, func(a, b claim) int { return int(min(1, max(-1, int64(a.seq)-int64(b.seq)))) })
	for len(w.claims) > 0 && w.claims[0].seq <= w.seq { // of lines that retention took
		w.claims = w.claims[1:]
	}
	for i, n := range numbers {
		if n != want {
			return &Problem{File: fileName(w.name, want), Text: "the file is missing"}, nil
		}
		want++
		p, err := w.readFile(fileName(w.name, n), i == len(numbers)-1)
		if p != nil || err != nil {
			return p, err
		}
	}
	if len(numbers) == 0 {
		return &Problem{File: fileName(w.name, want), Text: "the file is missing"}, nil
	}
	return nil, nil
}

func (w *walk) wrong(format string, args ...any) *Problem {
	return &Problem{File: w.file, Line: w.line, Text: fmt.Sprintf(format, args...)}
}

func (w *walk) readFile(name string, last bool) (*Problem, error) {
	l, err := openLines(filepath.Join(w.dir, name))
	if err != nil {
		return nil, err
	}
	defer l.close()
	w.file, w.line, w.signed = name, 0, nil
	for {
		line, err := l.next()
		w.line++
		if err == io.EOF {
			return w.endOfFile(l.half, last), nil
		}
		if err != nil {
			return nil, err
		}
		if p := w.follow(line, l); p != nil {
			return p, nil
		}
	}
}

// endOfFile looks at the last signature of the file, which covers what is before it.
func (w *walk) endOfFile(half int, last bool) *Problem {
	ended := w.entry != nil && w.entry.Ended
	switch {
	case half > 0 && (!last || ended):
		return w.wrong("it ends in half a line")
	case w.line == 1 && half == 0:
		return w.wrong("the file is empty")
	case w.signed == nil && (w.line > 1 || !last):
		return w.wrong("the file has no checkpoint")
	}
	w.half = half
	if w.signed == nil {
		return nil
	}
	w.line = w.signedLine
	return w.checkpoint(w.signed)
}

// follow takes the next line: it must follow from the one before it, and be what others say of it.
func (w *walk) follow(line []byte, l *lines) *Problem {
	p, ok := placeOf(line)
	first := w.line == 1 && (w.lines == 0)
	switch {
	case !ok:
		return w.wrong("it does not begin as a record does: it was changed")
	case p.seq != w.seq+1:
		return w.wrong("record %d is where record %d should be: something was removed, inserted or reordered", p.seq, w.seq+1)
	case first && w.seq > 0: // retention took what was before it; the signature says that this is what was here
	case !w.hash.is(p.prev):
		return w.broken(line, l)
	}
	if w.line == 1 {
		if p := w.firstLine(line, &p); p != nil {
			return p
		}
	}
	if p := w.times(&p); p != nil {
		return p
	}
	w.seq, w.hash, w.lines, w.unsigned = p.seq, digestOf(line), w.lines+1, w.unsigned+1
	for ; len(w.claims) > 0 && w.claims[0].seq == w.seq; w.claims = w.claims[1:] {
		if c := w.claims[0]; c.hash != w.hash.String() {
			return w.wrong("record %d is not what %s says it was", w.seq, c.by)
		}
	}
	if !p.is(KindCheckpoint) {
		return nil
	}
	w.unsigned, w.signedLine = 0, w.line
	w.signed = append(w.signed[:0], line...)
	if w.every || w.line <= 2 {
		return w.checkpoint(line)
	}
	return nil
}

// times notes the first and the last one.
func (w *walk) times(p *place) *Problem {
	if w.lines == 0 || p.is(KindCheckpoint) {
		t, err := time.Parse(time.RFC3339Nano, string(p.time))
		if err != nil {
			return w.wrong("its time was changed")
		}
		if w.lines == 0 {
			w.from = t
		}
		w.to = t
	}
	return nil
}

// firstLine of a file is the beginning of the chain, or a checkpoint.
func (w *walk) firstLine(line []byte, p *place) *Problem {
	if p.seq > 1 {
		if !p.is(KindCheckpoint) {
			return w.wrong("the file does not begin with a checkpoint")
		}
		return nil
	}
	n, err := parseNote(line)
	switch key := Fingerprint(w.pub); {
	case err != nil || n.Kind != KindBegin:
		return w.wrong("the chain does not begin with its beginning")
	case n.Chain != w.name:
		return w.wrong("this is chain %s under another name", n.Chain)
	case n.Key != key:
		return w.wrong("the chain is signed by key %s, not by %s: the key was swapped, or this is not its public key", n.Key, key)
	}
	return nil
}

// checkpoint looks at a signature.
func (w *walk) checkpoint(line []byte) *Problem {
	if err := checkSignature(w.pub, signedAs, line); err != nil {
		w.badSignature = !w.every
		return w.wrong("%v: it was changed, or signed by another key", err)
	}
	n, err := parseNote(line)
	if err != nil {
		return w.wrong("%v", err)
	}
	if n.Chain != w.name {
		return w.wrong("this is a line of chain %s", n.Chain)
	}
	return nil
}

// broken says which of two lines was changed, when one does not follow from the other: surely the first, when the second is as it was,
// which a third that follows from it shows, or its signature.
func (w *walk) broken(line []byte, l *lines) *Problem {
	second := bytes.Clone(line)
	p, _ := placeOf(second)
	hash := digestOf(second)
	intact := p.is(KindCheckpoint) && checkSignature(w.pub, signedAs, second) == nil
	if third, err := l.next(); err == nil {
		if q, ok := placeOf(third); ok && string(q.prev) == hash.String() {
			intact = true
		}
	}
	if w.line == 1 { // the one before is in another file
		return w.wrong("record %d does not follow from the one before it: one of them was changed", p.seq)
	}
	w.line--
	if intact {
		return w.wrong("record %d was changed: its hash is not the one that the next record has", w.seq)
	}
	return w.wrong("record %d was changed, or what record %d says of it", w.seq, p.seq)
}

// atEnd compares the end of the chain with what the index, the head and others say of it.
func (w *walk) atEnd(head *note) *Problem {
	w.line = 0
	if e := w.entry; e != nil && e.Ended && e.Seq > 0 {
		switch {
		case w.seq < e.Seq:
			return w.wrong("the end was cut off: it ends with record %d, but %s says that it ended with %d", w.seq, indexName, e.Seq)
		case w.seq > e.Seq:
			return w.wrong("something was added: it ends with record %d, but %s says that it ended with %d", w.seq, indexName, e.Seq)
		case w.hash.String() != e.Hash:
			return w.wrong("record %d is not what %s says it was", w.seq, indexName)
		}
	}
	if len(w.claims) > 0 {
		c := w.claims[len(w.claims)-1]
		return w.wrong("the end was cut off: it ends with record %d, but %s says that there was %d", w.seq, c.by, c.seq)
	}
	return nil
}

// is tells whether a line's prev is this.
func (d *digest) is(prev []byte) bool {
	var b [2 * len(d)]byte
	hex.Encode(b[:], d[:])
	return string(b[:]) == string(prev)
}
