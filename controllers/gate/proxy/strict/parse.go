package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth of objects and arrays within each other.
const MaxDepth = 100

// Value is a piece of a text that [Check] accepted, and where it begins there.
type Value struct {
	Raw []byte
	At  int
}

// End is where the value ends in the text.
func (v Value) End() int { return v.At + len(v.Raw) }

// Errors of Check that a caller may tell apart; all others are faults of syntax.
var (
	ErrDepth = fmt.Errorf("nested deeper than %d", MaxDepth)
	ErrTwin  = errors.New("a name differs from a known one by case only")
)

type reader struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

var readers = sync.Pool{New: func() any { return &reader{dec: new(jsontext.Decoder)} }}

// Check accepts a text that holds exactly one JSON value and gives it without the space around it. The value shares the text's memory.
func Check(text []byte) (Value, error) {
	if tooDeep(text) {
		return Value{}, ErrDepth
	}
	r := readers.Get().(*reader)
	defer readers.Put(r)
	r.buf = *bytes.NewBuffer(text)
	r.dec.Reset(&r.buf)
	defer func() { r.buf = bytes.Buffer{} }()
	raw, err := r.dec.ReadValue()
	if err != nil {
		if err == io.EOF {
			return Value{}, errors.New("there is no JSON value")
		}
		return Value{}, readable(err)
	}
	end := int(r.dec.InputOffset())
	start := end - len(raw)
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return Value{}, errors.New("something follows the JSON value")
	}
	return Value{Raw: text[start:end:end], At: start}, nil
}

// readable keeps the place and the kind of a fault, and nothing of the text itself.
func readable(err error) error {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) {
		return errors.New("no JSON")
	}
	if errors.Is(s.Err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("a name is there twice in one object, at byte %d", s.ByteOffset)
	}
	if errors.Is(s.Err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the JSON ends early, at byte %d", s.ByteOffset)
	}
	return fmt.Errorf("no JSON at byte %d", s.ByteOffset)
}

// tooDeep counts brackets outside of strings. The text need not be JSON.
func tooDeep(text []byte) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = skipString(text, i) - 1
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// skipString gives the index after the string that begins at i, or the length of a text in which it does not end.
func skipString(text []byte, i int) int {
	for i++; i < len(text); {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return len(text)
		}
		end := i + n
		slashes := 0
		for end-1-slashes >= i && text[end-1-slashes] == '\\' {
			slashes++
		}
		i = end + 1
		if slashes%2 == 0 {
			return i
		}
	}
	return len(text)
}

// IsObject tells whether the value is an object.
func (v Value) IsObject() bool { return len(v.Raw) > 0 && v.Raw[0] == '{' }

// IsArray tells whether the value is an array.
func (v Value) IsArray() bool { return len(v.Raw) > 0 && v.Raw[0] == '[' }

// IsNull tells whether the value is null.
func (v Value) IsNull() bool { return len(v.Raw) > 0 && v.Raw[0] == 'n' }

// Fields calls visit with each member of an object whose name is one of names, in the order of the text. A name that differs from one of
// them by case only is ErrTwin: some readers take it for the same.
func (v Value) Fields(names []string, visit func(name string, value Value) error) error {
	return v.members(func(raw []byte, value Value) error {
		name, err := find(names, raw)
		if err != nil || name == "" {
			return err
		}
		return visit(name, value)
	})
}

// find gives the one of names that a raw string is, or none.
func find(names []string, raw []byte) (string, error) {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		unquoted, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return "", errors.New("a name is no string")
		}
		inner = unquoted
	}
	for _, name := range names {
		if string(inner) == name {
			return name, nil
		}
	}
	for _, name := range names {
		if (len(inner) == len(name) || !ascii(inner)) && strings.EqualFold(string(inner), name) {
			return "", fmt.Errorf("%w: %s", ErrTwin, name)
		}
	}
	return "", nil
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// members walks an object that is known to be well formed.
func (v Value) members(visit func(name []byte, value Value) error) error {
	i := space(v.Raw, 1)
	for v.Raw[i] != '}' {
		end := skipString(v.Raw, i)
		name := v.Raw[i:end]
		i = space(v.Raw, space(v.Raw, end)+1) // over the colon
		end = skip(v.Raw, i)
		if err := visit(name, Value{Raw: v.Raw[i:end:end], At: v.At + i}); err != nil {
			return err
		}
		if i = space(v.Raw, end); v.Raw[i] == ',' {
			i = space(v.Raw, i+1)
		}
	}
	return nil
}

// Items calls visit with each element of an array.
func (v Value) Items(visit func(Value) error) error {
	i := space(v.Raw, 1)
	for v.Raw[i] != ']' {
		end := skip(v.Raw, i)
		if err := visit(Value{Raw: v.Raw[i:end:end], At: v.At + i}); err != nil {
			return err
		}
		if i = space(v.Raw, end); v.Raw[i] == ',' {
			i = space(v.Raw, i+1)
		}
	}
	return nil
}

func space(raw []byte, i int) int {
	for raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t' {
		i++
	}
	return i
}

// skip gives the index after the value that begins at i.
func skip(raw []byte, i int) int {
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
		depth := 0
		for ; ; i++ {
			switch raw[i] {
			case '"':
				i = skipString(raw, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(raw) && !bytes.ContainsRune([]byte(",]} \n\r\t"), rune(raw[i])) {
		i++
	}
	return i
}

// Text gives the value of a string.
func (v Value) Text() (string, error) {
	if len(v.Raw) < 2 || v.Raw[0] != '"' {
		return "", errors.New("must be a string")
	}
	if inner := v.Raw[1 : len(v.Raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	b, err := jsontext.AppendUnquote(nil, v.Raw)
	return string(b), err
}

// Count gives the value of a whole number that is not negative and written in digits alone.
func (v Value) Count() (int64, error) {
	if len(v.Raw) == 0 {
		return 0, errors.New("is not there")
	}
	for _, c := range v.Raw {
		if c < '0' || c > '9' {
			return 0, errors.New("must be a whole number from 0 on, in digits")
		}
	}
	n, err := strconv.ParseInt(string(v.Raw), 10, 54)
	if err != nil {
		return 0, errors.New("must be a whole number from 0 on, below 2^53")
	}
	return n, nil
}

// Bool gives the value of true or false.
func (v Value) Bool() (bool, error) {
	switch string(v.Raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("must be true or false")
}
