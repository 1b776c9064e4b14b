package main

import (
	_ "embed"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
)

//go:embed corpus.txt
var corpus string

const (
	order     = 3 // words before the next one
	sentences = 3 // in an answer
	// topicLetters is how long a word must be for an answer to begin as a sentence that has it.
	topicLetters = 3
	end          = "" // ends a text
)

// choice is a token that may come next and how often it did.
type choice struct {
	token string
	count int
}

// ngram guesses the next token from the ones before it.
type ngram struct {
	next map[string][]choice // by up to order tokens, joined by spaces; the choices sorted by count, then token
	// openings are the first tokens of the sentences that a word stands in, by the word in small letters.
	openings map[string][][]string
}

// train reads a text; each of its lines is a text of its own.
func train(text string) *ngram {
	counts := map[string]map[string]int{}
	for line := range strings.Lines(text) {
		tokens := append(tokenize(line), end)
		for i, t := range tokens {
			for n := 0; n <= min(order, i); n++ {
				k := strings.Join(tokens[i-n:i], " ")
				if n == 0 && i == 0 {
					k = start
				}
				if counts[k] == nil {
					counts[k] = map[string]int{}
				}
				counts[k][t]++
			}
		}
	}
	m := &ngram{next: map[string][]choice{}, openings: map[string][][]string{}}
	for sentence := range strings.SplitSeq(strings.ReplaceAll(text, "\n", " "), ". ") {
		tokens := tokenize(sentence)
		for _, t := range tokens {
			if w := strings.ToLower(t); len(w) >= topicLetters {
				m.openings[w] = append(m.openings[w], tokens[:min(order, len(tokens))])
			}
		}
	}
	for k, c := range counts {
		for t, n := range c {
			m.next[k] = append(m.next[k], choice{t, n})
		}
		sort.Slice(m.next[k], func(i, j int) bool {
			a, b := m.next[k][i], m.next[k][j]
			return a.count > b.count || a.count == b.count && a.token < b.token
		})
	}
	return m
}

// start is what comes before the first token of a text.
const start = "\x00"

// opening begins an answer to a prompt: as the sentences do that have the last of its words that the text knows.
func (m *ngram) opening(prompt []string, temperature float64, r *rand.Rand) []string {
	best := [][]string{nil}
	for _, t := range prompt {
		if o := m.openings[strings.ToLower(t)]; o != nil && !common[strings.ToLower(t)] {
			best = o
		}
	}
	if temperature <= 0 {
		return best[0]
	}
	return best[r.IntN(len(best))]
}

// common words say nothing about what is asked.
var common = map[string]bool{"what": true, "does": true, "the": true, "you": true, "are": true, "and": true, "for": true, "who": true,
	"why": true, "how": true, "when": true, "with": true, "that": true, "this": true, "has": true, "about": true, "have": true}

// generate goes on from a context, or from the beginning of an answer, which counts as generated: at most limit tokens, at most
// three sentences. At temperature 0 it takes the likeliest token each time, else it draws from r. It tells whether it came to an
// end by itself.
func (m *ngram) generate(context, opening []string, limit int, temperature float64, r *rand.Rand) (tokens []string, whole bool) {
	key := start
	tokens = append(tokens, opening...)
	if k := m.known(append(context, opening...)); k != "" {
		key = k
	}
	ends := 0
	for len(tokens) < limit {
		t := pick(m.next[key], temperature, r)
		if t == end {
			if ends++; ends >= 2 || len(tokens) == 0 {
				return tokens, true
			}
			key = start
			continue
		}
		tokens = append(tokens, t)
		if t == "." {
			if ends++; ends >= sentences {
				return tokens, true
			}
		}
		if key = m.known(tokens); key == "" {
			key = start
		}
	}
	return tokens, false
}

// known is the longest end of the tokens that something is known to follow.
func (m *ngram) known(tokens []string) string {
	for n := min(order, len(tokens)); n > 0; n-- {
		if k := strings.Join(tokens[len(tokens)-n:], " "); m.next[k] != nil {
			return k
		}
	}
	return ""
}

func pick(choices []choice, temperature float64, r *rand.Rand) string {
	if temperature <= 0 {
		return choices[0].token
	}
	weights := make([]float64, len(choices))
	sum := 0.0
	for i, c := range choices {
		weights[i] = math.Pow(float64(c.count)/float64(choices[0].count), 1/temperature)
		sum += weights[i]
	}
	at := r.Float64() * sum
	for i, w := range weights {
		if at -= w; at < 0 {
			return choices[i].token
		}
	}
	return choices[len(choices)-1].token
}
