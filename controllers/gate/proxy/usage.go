package proxy

import (
	"bytes"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// usage is what a backend says that a call took. Of what it does not say, or not as a whole number from 0 on, nothing is known.
type usage struct {
	// plain input tokens, those that were read of a cache or written to one besides, and of the plain ones those that were at hand.
	plain, read, written, athand int64
	out, total                   int64
	hasInput, hasOutput          bool
}

func (u *usage) known() bool { return u.hasInput || u.hasOutput }

// input tokens in all, and cached of them those that the backend had at hand.
func (u *usage) input() int64  { return u.plain + u.read + u.written }
func (u *usage) cached() int64 { return min(u.read+u.athand, u.input()) }

// output tokens in all, with those of reasoning, which some leave out but for the total.
func (u *usage) output() int64 {
	if !u.hasInput {
		return u.out
	}
	return max(u.out, u.total-u.input())
}

var usageNames = []string{"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "cache_creation_input_tokens",
	"cache_read_input_tokens", "prompt_tokens_details", "input_tokens_details"}

// take reads a usage object. Of several that a stream tells the later ones count, each field by itself.
func (u *usage) take(raw []byte) {
	v, err := strict.Check(raw)
	if err != nil || !v.IsObject() {
		return
	}
	next := *u
	if v.Fields(usageNames, next.field) == nil {
		*u = next
	}
}

func (u *usage) field(name string, value strict.Value) error {
	if value.IsObject() {
		return value.Fields([]string{"cached_tokens"}, func(_ string, v strict.Value) error {
			if n, err := v.Count(); err == nil {
				u.athand = n
			}
			return nil
		})
	}
	n, err := value.Count()
	if err != nil {
		return nil // null, where there is none of a kind, or no number of tokens
	}
	switch name {
	case "prompt_tokens", "input_tokens":
		u.plain, u.hasInput = n, true
	case "completion_tokens", "output_tokens":
		u.out, u.hasOutput = n, true
	case "total_tokens":
		u.total = n
	case "cache_creation_input_tokens":
		u.written = n
	case "cache_read_input_tokens":
		u.read = n
	}
	return nil
}

// maxUsage is the largest usage object that is looked at.
const maxUsage = 4 << 10

// tap finds the usage in a JSON text that goes by in pieces: an object named usage in the outermost object, or in the message that Anthropic's stream has
// there or the response of OpenAI's. Nowhere else: a backend may say back what its caller sent, such as metadata. It keeps nothing but that.
type tap struct {
	usage  *usage
	depth  int
	string bool // within a string
	escape bool // after a backslash in it
	// last is the string that was read last at depth 1 or 2, as far as it may be a word; key tells that a colon followed it, and that it is the word.
	last []byte
	key  bool
	word [len("response") + 1]byte // the memory of last
	// outer: the last name at depth 1 is of an object that has the usage; inner: that is the object at depth 2.
	outer, inner bool
	// taken is the usage object so far; from is the depth at which it began.
	taken []byte
	from  int
}

func (t *tap) feed(p []byte) {
	for i := 0; i < len(p); {
		if t.string {
			n := t.inString(p[i:])
			t.keep(p[i : i+n])
			i += n
			continue
		}
		c := p[i]
		t.keep(p[i : i+1])
		i++
		switch c {
		case '"':
			t.string, t.last, t.key = true, t.word[:0], false
		case ':':
			t.key = (t.depth == 1 || t.depth == 2 && t.inner) && string(t.last) == "usage"
			if t.depth == 1 {
				t.outer = string(t.last) == "message" || string(t.last) == "response"
			}
		case ' ', '\n', '\r', '\t':
		case '{', '[':
			t.depth++
			if t.depth == 2 {
				t.inner = c == '{' && t.outer
			}
			if t.key && c == '{' && t.from == 0 {
				if t.taken == nil {
					t.taken = make([]byte, 0, 256) // enough for most
				}
				t.from, t.taken = t.depth, append(t.taken[:0], c)
			}
			t.key = false
		case '}', ']':
			if t.depth == t.from && t.from > 0 {
				if t.from = 0; len(t.taken) <= maxUsage {
					t.usage.take(t.taken)
				}
			}
			t.depth--
			t.key = false
		default:
			t.key = false
		}
	}
}

// keep is for what may be of the usage object.
func (t *tap) keep(p []byte) {
	if t.from > 0 && len(t.taken) <= maxUsage {
		t.taken = append(t.taken, p...)
	}
}

// inString goes on in a string, to its end or that of the piece, and gives how much of the piece that is.
func (t *tap) inString(p []byte) int {
	for i := 0; i < len(p); i++ {
		notes := t.depth <= 2 && len(t.last) < len(t.word)
		if !notes && !t.escape { // nothing counts but the end
			if n := plain(p[i:]); n > 0 {
				i += n - 1
				continue
			}
		}
		c := p[i]
		switch {
		case t.escape:
			t.escape = false
		case c == '\\':
			t.escape = true
		case c == '"':
			t.string = false
			return i + 1
		}
		if notes {
			t.last = append(t.last, c)
		}
	}
	return len(p)
}

// plain is how much of a string comes before a quote or a backslash. It looks ahead a little at a time: an answer may be nothing but those.
func plain(p []byte) int {
	p = p[:min(len(p), 256)]
	if n := bytes.IndexByte(p, '"'); n >= 0 {
		p = p[:n]
	}
	if n := bytes.IndexByte(p, '\\'); n >= 0 {
		return n
	}
	return len(p)
}

// reset is for the next text.
func (t *tap) reset() { *t = tap{usage: t.usage, taken: t.taken[:0]} }
