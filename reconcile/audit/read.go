package audit

import (
	"bytes"
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Position is how far each file was read, by its name.
type Position map[string]int64

// part is a file with what is known of it before it is read.
type part struct {
	name  string
	times span
	size  int64 // of its complete lines
}

// parts are the files of a directory, in the order of their first times.
func parts(dir string) ([]part, error) {
	found, err := list(dir)
	if err != nil {
		return nil, err
	}
	var out []part
	for chain, numbers := range found.chains {
		for _, n := range numbers {
			p := part{name: fileName(chain, n)}
			end, err := endingOf(filepath.Join(dir, p.name))
			if errors.Is(err, fs.ErrNotExist) { // retention was faster
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("cannot read audit log %q: %w", dir, err)
			}
			p.times, p.size = end.times, end.size
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Or(a.times.from.Compare(b.times.from), cmp.Compare(a.name, b.name)) })
	return out, nil
}

// stream reads those lines of a file that may fit.
type stream struct {
	lines *lines
	sieve *sieve
	line  []byte
	at    time.Time
}

func openStream(dir string, p part, s *sieve) (*stream, error) {
	l, err := openLines(filepath.Join(dir, p.name))
	if err != nil {
		return nil, fmt.Errorf("cannot read audit log %q: %w", dir, err)
	}
	l.r.Reset(io.LimitReader(l.f, p.size))
	return &stream{lines: l, sieve: s}, nil
}

// next goes to the next line that may fit; false at the end.
func (s *stream) next() (bool, error) {
	for {
		line, err := s.lines.next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cannot read audit log %q: %w", s.lines.f.Name(), err)
		}
		if at, ok := s.sieve.look(line); ok {
			s.line, s.at = line, at
			return true, nil
		}
	}
}

// streams is a heap, the earliest first.
type streams []*stream

func (s streams) Len() int           { return len(s) }
func (s streams) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s streams) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *streams) Push(x any)        { *s = append(*s, x.(*stream)) }
func (s *streams) Pop() any {
	old := *s
	last := old[len(old)-1]
	*s = old[:len(old)-1]
	return last
}

// Query calls fn for each record that fits, the newest last; within a chain they come in its order, whatever the clock did. It verifies
// nothing. It ends with the first error of fn.
func Query(dir string, f Filter, fn func(*Record) error) error {
	all, err := parts(dir)
	if err != nil {
		return err
	}
	s := f.sieve()
	var open streams
	defer func() {
		for _, o := range open {
			o.lines.close()
		}
	}()
	for len(all) > 0 || len(open) > 0 {
		for len(all) > 0 && (len(open) == 0 || !all[0].times.from.After(open[0].at)) {
			if err := open.begin(dir, all[0], s); err != nil {
				return err
			}
			all = all[1:]
		}
		if len(open) == 0 {
			continue
		}
		if err := open.step(s, fn); err != nil {
			return err
		}
	}
	return nil
}

// begin opens a file, unless nothing in it can fit.
func (s *streams) begin(dir string, p part, sv *sieve) error {
	if !sv.spans(p.times) {
		return nil
	}
	o, err := openStream(dir, p, sv)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	more, err := o.next()
	if !more {
		o.lines.close()
		return err
	}
	heap.Push(s, o)
	return nil
}

// step passes the earliest line on.
func (s *streams) step(sv *sieve, fn func(*Record) error) error {
	first := (*s)[0]
	r, err := sv.record(first.line)
	if err == nil && r != nil {
		err = fn(r)
	}
	if err != nil {
		return err
	}
	more, err := first.next()
	if !more {
		first.lines.close()
		heap.Pop(s)
		return err
	}
	heap.Fix(s, 0)
	return nil
}

// foundLine is a line with its time, for sorting.
type foundLine struct {
	at   time.Time
	line []byte
}

// Last calls fn for the last n records that fit, the newest last, and answers how far it has read, for Follow.
func Last(dir string, n int, f Filter, fn func(*Record) error) (Position, error) {
	all, err := parts(dir)
	if err != nil {
		return nil, err
	}
	pos := Position{}
	for _, p := range all {
		pos[p.name] = p.size
	}
	slices.SortFunc(all, func(a, b part) int { return b.times.to.Compare(a.times.to) })
	s := f.sieve()
	var last []foundLine
	for _, p := range all {
		if len(last) == n && (n == 0 || p.times.to.Before(last[0].at)) {
			break
		}
		if !s.spans(p.times) {
			continue
		}
		if last, err = lastOf(dir, p, s, n, last); err != nil {
			return nil, err
		}
	}
	for _, l := range last {
		r, err := s.record(l.line)
		if err == nil && r != nil {
			err = fn(r)
		}
		if err != nil {
			return nil, err
		}
	}
	return pos, nil
}

// lastOf merges the last n lines of a file that fit with those that are known.
func lastOf(dir string, p part, s *sieve, n int, known []foundLine) ([]foundLine, error) {
	o, err := openStream(dir, p, s)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	defer o.lines.close()
	var mine []foundLine
	for {
		more, err := o.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if len(s.needles) > 0 { // it may only seem to fit
			if r, err := s.record(o.line); err != nil || r == nil {
				continue
			}
		}
		if len(mine) >= 2*n {
			mine = append(mine[:0], mine[len(mine)-n:]...)
		}
		mine = append(mine, foundLine{o.at, bytes.Clone(o.line)})
	}
	mine = mine[max(0, len(mine)-n):]
	known = append(mine, known...)
	slices.SortStableFunc(known, func(a, b foundLine) int { return a.at.Compare(b.at) })
	return known[max(0, len(known)-n):], nil
}
