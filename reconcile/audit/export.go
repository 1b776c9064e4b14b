package audit

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

// Exported is what Export wrote.
type Exported struct {
	Lines uint64
	// Unsigned lines at the end of chains that are being written were left out: their signature comes within a second.
	Unsigned uint64
}

// Export writes the part of the log between two times, until not included, in a form that VerifyExcerpt can verify alone: the lines as
// they are, chain by chain, each run of them up to the checkpoint that signs it. So there are a few lines more than were asked for.
func Export(w io.Writer, dir string, since, until time.Time) (out Exported, err error) {
	all, err := parts(dir)
	if err != nil {
		return out, err
	}
	slices.SortFunc(all, func(a, b part) int { return cmp.Compare(a.name, b.name) }) // runs go on from one file to the next
	s := Filter{Since: since, Until: until, Own: true}.sieve()
	for _, p := range all {
		if !s.spans(p.times) {
			continue
		}
		if err := out.file(w, dir, p, s); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
	}
	return out, nil
}

func (o *Exported) file(w io.Writer, dir string, p part, s *sieve) error {
	f, err := openStream(dir, p, s)
	if err != nil {
		return err
	}
	defer f.lines.close()
	var run bytes.Buffer // up to the next checkpoint
	count, wanted := uint64(0), false
	for {
		line, err := f.lines.next()
		if err == io.EOF {
			if wanted {
				o.Unsigned += count
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read audit log %q: %w", dir, err)
		}
		_, fits := s.look(line)
		if wanted = wanted || fits; !wanted { // a run begins with the first line that fits
			continue
		}
		run.Write(line)
		count++
		if place, ok := placeOf(line); ok && place.is(KindCheckpoint) {
			if _, err := w.Write(run.Bytes()); err != nil {
				return fmt.Errorf("cannot write the excerpt: %w", err)
			}
			o.Lines += count
			run.Reset()
			count, wanted = 0, false
		}
	}
}

// VerifyExcerpt verifies what Export wrote: that each line is as the key's owner signed it, and that between the first and the last line
// of a run nothing is missing. That a whole run is missing it cannot see.
func VerifyExcerpt(r io.Reader, name string, pub ed25519.PublicKey) (Report, error) {
	if len(pub) != ed25519.PublicKeySize {
		return Report{}, errors.New("cannot verify: that is no Ed25519 public key")
	}
	x := &excerpt{pub: pub, name: name, chains: map[string]*ChainReport{}}
	report := Report{Key: Fingerprint(pub), Chains: []ChainReport{}, Problems: []Problem{}}
	l := newLines(r)
	for report.OK() {
		line, err := l.next()
		x.line++
		if err != nil && err != io.EOF {
			return report, fmt.Errorf("cannot read excerpt %q: %w", name, err)
		}
		text := ""
		switch {
		case err == nil:
			text = x.follow(line)
		case l.half > 0:
			text = "it ends in half a line"
		case x.line == 1:
			text = "there is nothing in it"
		case x.open > 0:
			text = "the end was cut off: what follows the last checkpoint is not signed"
		}
		if text != "" {
			report.Problems = append(report.Problems, Problem{File: name, Line: x.line, Text: text})
		}
		if err == io.EOF {
			break
		}
		report.Lines++
	}
	for _, c := range x.chains {
		report.Chains = append(report.Chains, *c)
	}
	slices.SortFunc(report.Chains, func(a, b ChainReport) int { return cmp.Compare(a.Chain, b.Chain) })
	return report, nil
}

// excerpt is how far an excerpt was verified.
type excerpt struct {
	pub  ed25519.PublicKey
	name string
	line int
	seq  uint64
	hash digest
	// open are the lines since the last checkpoint.
	open   uint64
	chains map[string]*ChainReport
}

// follow takes the next line: it follows from the one before it, or begins a run behind a checkpoint.
func (x *excerpt) follow(line []byte) (problem string) {
	p, ok := placeOf(line)
	if !ok {
		return "it does not begin as a record does: it was changed"
	}
	if x.open > 0 && (p.seq != x.seq+1 || !x.hash.is(p.prev)) {
		return "it does not follow from the line before it: one of them was changed, or something was removed, inserted or reordered"
	}
	x.seq, x.hash, x.open = p.seq, digestOf(line), x.open+1
	if !p.is(KindCheckpoint) {
		return ""
	}
	if err := checkSignature(x.pub, signedAs, line); err != nil {
		return err.Error() + ": it was changed, or signed by another key"
	}
	n, err := parseNote(line)
	if err != nil {
		return err.Error()
	}
	c := x.chains[n.Chain]
	if c == nil {
		c = &ChainReport{Chain: n.Chain, From: n.From}
		x.chains[n.Chain] = c
	}
	c.Lines, c.Last, c.To = c.Lines+x.open, n.Seq, n.Time
	x.open = 0
	return ""
}
