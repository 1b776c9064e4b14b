package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
)

const about = "a demo n-gram model, not an LLM"

// ask is what an answer is made from.
type ask struct {
	prompt      string // the last thing that was said
	limit       int    // tokens
	temperature float64
	seed        *int64
	stop        []string
	chat        bool // answers; else it goes on with the prompt
}

// reply is an answer and why it ended.
type reply struct {
	text   string
	finish string // stop or length
	stop   string // the stop sequence that ended it, if one did
}

var (
	sayTheWord = regexp.MustCompile(`(?i)\bsay the word\s+["'“‘«]?([\p{L}\p{N}_-]+)`)
	whoAreYou  = regexp.MustCompile(`(?i)\b(who|what) are you\b|\bare you (an?|the|really)\b|\b(what|which) (kind of )?model\b|\byour name\b`)
)

// answer makes the reply. It is the same for the same ask at temperature 0, or with the same seed.
func (m *ngram) answer(name string, a ask) reply {
	text, whole := "", true
	say := sayTheWord.FindStringSubmatch(a.prompt)
	switch {
	case a.chat && say != nil:
		text = say[1]
	case a.chat && whoAreYou.MatchString(a.prompt):
		text = fmt.Sprintf("I am %s, %s. I read one page of text when I start, count which words follow which, and guess from that.", name, about)
	default:
		var tokens []string
		r, said := a.rand(), tokenize(a.prompt)
		if a.chat {
			tokens, whole = m.generate(nil, m.opening(said, a.temperature, r), a.limit, a.temperature, r)
		} else {
			tokens, whole = m.generate(said, nil, a.limit, a.temperature, r)
		}
		var b strings.Builder
		for i, t := range tokens {
			b.WriteString(piece(t, i == 0 && (a.chat || a.prompt == "")))
		}
		text = b.String()
	}
	text, cut := cutTokens(text, a.limit)
	r := reply{text: text, finish: "stop"}
	if cut || !whole {
		r.finish = "length"
	}
	for _, s := range a.stop {
		if i := strings.Index(r.text, s); s != "" && i >= 0 {
			r = reply{r.text[:i], "stop", s}
		}
	}
	return r
}

func (a ask) rand() *rand.Rand {
	if a.seed == nil {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(uint64(*a.seed), 0))
}

// embed hashes words and pairs of words into a vector of length 1. Texts that share words are near each other; nothing more is meant.
func embed(text string, dimensions int) []float32 {
	sums := make([]float64, dimensions)
	add := func(feature string, weight float64) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(feature))
		n := h.Sum64()
		if n>>63 == 1 {
			weight = -weight
		}
		sums[n%uint64(dimensions)] += weight
	}
	before := ""
	for _, t := range tokenize(strings.ToLower(text)) {
		add(t, 1)
		add(before+" "+t, 0.5)
		before = t
	}
	norm := 0.0
	for _, v := range sums {
		norm += v * v
	}
	out := make([]float32, dimensions)
	for i, v := range sums {
		if norm > 0 {
			out[i] = float32(v / math.Sqrt(norm))
		}
	}
	return out
}

// base64Floats is how OpenAI's clients like vectors best: little-endian floats in base64.
func base64Floats(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(b)
}
