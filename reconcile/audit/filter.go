package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Filter picks records. A field that is set must fit, each with one of its values.
type Filter struct {
	// Since is the first moment, Until the first one that does not count any more.
	Since, Until time.Time

	Kinds, Requests, Principals, Rules, Decisions, Routes []string
	// Own: the log's own lines too, but for checkpoints.
	Own bool
}

func (f *Filter) fields() [6]struct {
	name   string
	wanted []string
	of     func(*Record) string
} {
	return [6]struct {
		name   string
		wanted []string
		of     func(*Record) string
	}{
		{"kind", f.Kinds, func(r *Record) string { return r.Kind }},
		{"request", f.Requests, func(r *Record) string { return r.Request }},
		{"principal", f.Principals, func(r *Record) string { return r.Principal }},
		{"rule", f.Rules, func(r *Record) string { return r.Rule }},
		{"decision", f.Decisions, func(r *Record) string { return r.Decision }},
		{"route", f.Routes, func(r *Record) string { return r.Route }},
	}
}

// sieve is a filter made ready: most lines that do not fit are not decoded.
type sieve struct {
	Filter
	// needles: a line has one of each list, or does not fit.
	needles [][][]byte
}

func (f Filter) sieve() *sieve {
	s := &sieve{Filter: f}
	for _, field := range f.fields() {
		var any [][]byte
		for _, v := range field.wanted {
			any = append(any, appendString([]byte(`"`+field.name+`":`), v))
		}
		if len(any) > 0 {
			s.needles = append(s.needles, any)
		}
	}
	return s
}

// spans tells whether something of the span can fit.
func (s *sieve) spans(t span) bool {
	return (s.Since.IsZero() || !t.to.Before(s.Since)) && (s.Until.IsZero() || t.from.Before(s.Until))
}

// look tells whether a line may fit, and its time.
func (s *sieve) look(line []byte) (at time.Time, ok bool) {
	p, ok := placeOf(line)
	if !ok || p.is(KindCheckpoint) || !s.Own && isOwn(string(p.kind)) {
		return at, false
	}
	for _, any := range s.needles {
		if !slices.ContainsFunc(any, func(needle []byte) bool { return bytes.Contains(line, needle) }) {
			return at, false
		}
	}
	at, err := time.Parse(time.RFC3339Nano, string(p.time))
	return at, err == nil && s.spans(span{at, at})
}

// record decodes a line that may fit; nil when it does not.
func (s *sieve) record(line []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("cannot read a record: %v", err)
	}
	for _, field := range s.fields() {
		if len(field.wanted) > 0 && !slices.Contains(field.wanted, field.of(r)) {
			return nil, nil
		}
	}
	return r, nil
}
