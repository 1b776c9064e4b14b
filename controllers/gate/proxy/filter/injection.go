package filter

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// phrase is a known attempt to take an agent over, as it is after normalize.
type phrase struct {
	kind     string
	literals []string
	pattern  *regexp.Regexp
}

// phrases, all of what BlockInjection knows. A text is in lower case then, with one space between words and no other signs.
var phrases = []phrase{
	{"IgnoreInstructions", []string{"ignore", "disregard", "forget", "override", "bypass"},
		regexp.MustCompile(`\b(?:ignore|disregard|forget|override|bypass)(?: (?:all|any|every|of|the|your|my|these|those|its)){0,4} (?:(?:previous|prior|above|earlier|preceding|former|original|initial|existing|system) (?:(?:system|safety|and|developer) ){0,2})(?:instructions?|prompts?|rules|directions|directives|guidelines|messages|guardrails|restrictions)\b`)},
	{"IgnoreInstructions", []string{"everything"},
		regexp.MustCompile(`\b(?:ignore|disregard|forget) everything (?:above|before|you were told|you have been told|that came before)\b`)},
	{"IgnoreInstructions", []string{"bypass", "override", "disable"},
		regexp.MustCompile(`\b(?:bypass|override|disable)(?: (?:all|any|the|your|of)){0,3} (?:safety|security|content) (?:guidelines|guardrails|filters?|restrictions|rules)\b`)},
	{"NewInstructions", []string{"instructions"},
		regexp.MustCompile(`\b(?:here are|follow) your new instructions\b|\byour new instructions are\b|\bthese instructions (?:override|replace|supersede) (?:all|any|the|your)\b`)},
	{"RolePlay", []string{"you are now", "pretend", "act as", "developer mode", "jailbreak"},
		regexp.MustCompile(`\byou are now (?:dan|in developer mode|in god mode|jailbroken|unrestricted|an unrestricted)\b|\b(?:enable|enter|activate) (?:developer|god|jailbreak|dan) mode\b|\b(?:pretend|act as if) (?:that )?you have no (?:restrictions|rules|guidelines|limits|filters)\b|\bact as an? (?:unrestricted|uncensored|jailbroken)\b`)},
	{"RevealPrompt", []string{"prompt", "instructions"},
		regexp.MustCompile(`\b(?:reveal|print|show|output|repeat|leak|display)(?: (?:me|us|all|of|the|your|full|entire|exact|complete|verbatim)){1,5} (?:system|hidden|secret|initial|developer) (?:prompt|message|instructions)\b`)},
	{"HideFromUser", []string{"tell", "mention", "inform"},
		regexp.MustCompile(`\b(?:do not|dont|don t|never|without) (?:tell|telling|mention|mentioning|inform|informing)(?: this| it| anything)?(?: to)? the user\b`)},
	{"Exfiltrate", []string{"send", "post", "upload", "exfiltrate"},
		regexp.MustCompile(`\b(?:send|post|upload|exfiltrate|forward)(?: (?:all|any|the|your|of|every)){0,3} (?:conversation|chat history|system prompt|credentials|api keys?|secrets|passwords|environment variables) to (?:https?|the following|this|an?|my)\b`)},
	{"ForgedTurn", []string{"im start", "inst", "system prompt", "sys", "assistant"},
		regexp.MustCompile(`\bim (?:start|end) (?:system|assistant|user)\b|\bbegin (?:new )?system prompt\b|\bend of system prompt\b`)},
}

// marks of a model's own turns, which no text has that people write. They are looked for before signs are taken out.
var turnMarks = []string{"<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|eot_id|>", "[inst]", "[/inst]", "<<sys>>", "<</sys>>", "<start_of_turn>", "<|system|>", "<|assistant|>"}

// injectionWords is more than the words that a phrase may have.
const injectionWords = 20

// injection finds phrases. What it finds has no exact place: the whole text is refused.
type injection struct{}

func (injection) find(text string) (out []hit) {
	folded := fold(text)
	if hasAny(folded, turnMarks) {
		out = append(out, hit{0, 0, len(text), "ForgedTurn"})
	}
	plain := squeeze(folded)
	for i := range phrases {
		p := &phrases[i]
		if hasAny(plain, p.literals) && p.pattern.MatchString(plain) {
			out = append(out, hit{0, 0, len(text), p.kind})
		}
	}
	return merge(out)
}

func (injection) settled(text string) int { return lastWords(text, injectionWords) }

// lookalikes are letters that look like Latin ones, as they are used to get past lists.
var lookalikes = map[rune]rune{
	'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p', 'с': 'c', 'х': 'x', 'у': 'y', 'і': 'i', 'ј': 'j', 'ѕ': 's', 'һ': 'h', 'ԁ': 'd', 'ԛ': 'q', 'ԝ': 'w',
	'в': 'b', 'м': 'm', 'н': 'h', 'т': 't', 'к': 'k', 'г': 'r', 'п': 'n', 'ո': 'n', 'ս': 'u', 'օ': 'o',
	'α': 'a', 'β': 'b', 'ε': 'e', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ɡ': 'g', 'ı': 'i', 'ʟ': 'l', 'ɪ': 'i', 'ʀ': 'r', 'ɴ': 'n',
}

// fold puts a text in lower case, with compatible letters as one and without what is not seen: zero-width characters, accents, soft hyphens.
func fold(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	ascii := true
	for i := range len(text) {
		if text[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(text)
	}
	for _, r := range norm.NFKD.String(text) {
		if unicode.In(r, unicode.Mn, unicode.Cf, unicode.Me) {
			continue
		}
		r = unicode.ToLower(r)
		if l, ok := lookalikes[r]; ok {
			r = l
		}
		b.WriteRune(r)
	}
	return b.String()
}

// squeeze leaves letters and digits, with one space for whatever is between words.
func squeeze(text string) string {
	b := make([]byte, 0, len(text))
	gap := false
	for _, r := range text {
		if r < 0x80 && isWord(byte(r)) && r != '_' {
			if gap && len(b) > 0 {
				b = append(b, ' ')
			}
			gap = false
			b = append(b, byte(r))
			continue
		}
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = true
			continue
		}
		if gap && len(b) > 0 {
			b = append(b, ' ')
		}
		gap = false
		b = append(b, string(r)...)
	}
	return string(b)
}
