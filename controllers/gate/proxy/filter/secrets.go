package filter

import (
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shape is a kind of secret. What its pattern finds counts where good says so; of a pattern with groups, the group that took part is the
// secret. A text without any of the literals is not searched; with fold, letters of both cases count as one.
type shape struct {
	kind     string
	literals []string
	fold     bool
	pattern  *regexp.Regexp
	good     func(value string) bool
}

const keyWords = `(?:pass(?:word|wd|phrase)|pwd|secret|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|(?:auth|access|refresh|api)[ _-]?token|token|credentials?)`

// shapes of secrets. No match has more than five words, but that of a private key.
var shapes = []shape{
	{"PrivateKey", []string{"-----BEGIN"}, false,
		regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]{1,16} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END (?:[A-Z0-9]{1,16} ){0,2}PRIVATE KEY(?: BLOCK)?-----|\z)`), nil},
	{"AWSKey", []string{"AKIA", "ASIA", "ABIA", "ACCA"}, false, regexp.MustCompile(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}`), nil},
	{"GitHubToken", []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, false, regexp.MustCompile(`(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,})`), nil},
	{"GitLabToken", []string{"glpat-"}, false, regexp.MustCompile(`glpat-[A-Za-z0-9_-]{20,}`), nil},
	{"SlackToken", []string{"xox", "xapp-", "hooks.slack.com"}, false,
		regexp.MustCompile(`(?:xox[abeoprs](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,})`), nil},
	{"AnthropicKey", []string{"sk-ant-"}, false, regexp.MustCompile(`sk-ant-[A-Za-z0-9_-]{16,}`), nil},
	{"OpenAIKey", []string{"sk-"}, false, regexp.MustCompile(`\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}`), mixed},
	{"GoogleKey", []string{"AIza", "ya29.", "GOCSPX-"}, false,
		regexp.MustCompile(`(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})`), nil},
	{"StripeKey", []string{"k_live_", "k_test_"}, false, regexp.MustCompile(`[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`), nil},
	{"HuggingFaceToken", []string{"hf_"}, false, regexp.MustCompile(`\bhf_[A-Za-z0-9]{30,}`), nil},
	{"PackageToken", []string{"npm_", "pypi-AgE"}, false, regexp.MustCompile(`(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,})`), nil},
	{"JWT", []string{"eyJ"}, false, regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}`), nil},
	{"Authorization", []string{"bearer", "authorization"}, true,
		regexp.MustCompile(`(?i)\bbearer\s{1,16}([A-Za-z0-9._~+/-]{16,}=*)|\bauthorization["']?\s{0,16}[:=]\s{0,16}["']?(?:basic|token|digest)\s{1,16}([A-Za-z0-9._~+/=-]{8,})`), encoded},
	{"URLPassword", []string{"://"}, false, regexp.MustCompile(`\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@"']{0,64}:([^\s:/@"']{3,128})@`), notPlaceholder},
	{"Password", []string{"pass", "pwd", "secret", "key", "token", "credential"}, true,
		regexp.MustCompile(`(?i)` + keyWords + `["'\x60]?\s{0,16}(?::=|=>|=|:|\bis\b)\s{0,16}(?:"([^"\s]{4,256})"|'([^'\s]{4,256})'|([^\s"'\x60,;]{6,}))`), passwordLike},
	{"HighEntropy", []string{"pass", "pwd", "secret", "key", "token", "credential"}, true,
		regexp.MustCompile(`(?i)\b` + keyWords + `\b\S{0,8}\s{1,16}(?:\S{1,24}\s{1,16}){0,2}["'\x60(]{0,2}([A-Za-z0-9+/_-]{24,}={0,2})`), random},
}

// words that a match may have, and so how many are held back in a stream.
const words = 5

// secrets finds them.
type secrets struct{}

func (secrets) find(text string) (out []hit) {
	lower := ""
	for i := range shapes {
		s := &shapes[i]
		in := text
		if s.fold {
			if lower == "" {
				lower = strings.ToLower(text)
			}
			in = lower
		}
		if !hasAny(in, s.literals) {
			continue
		}
		out = s.find(text, out)
	}
	return merge(out)
}

// find appends what is of this shape. Behind a match that is no secret it goes on where the value began: that may be the word that tells of
// the next one.
func (s *shape) find(text string, out []hit) []hit {
	if s.pattern.NumSubexp() == 0 {
		for _, m := range s.pattern.FindAllStringIndex(text, -1) {
			if s.good == nil || s.good(text[m[0]:m[1]]) {
				out = append(out, hit{m[0], m[0], m[1], s.kind})
			}
		}
		return out
	}
	for at := 0; at < len(text); {
		m := s.pattern.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		h, next := hit{at + m[0], at + m[0], at + m[1], s.kind}, at+m[1]
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				h.start, h.end = at+m[g], at+m[g+1]
			}
		}
		if s.good == nil || s.good(text[h.start:h.end]) {
			out = append(out, h)
		} else if h.start > h.from {
			next = h.start
		}
		at = next
	}
	return out
}

func hasAny(text string, literals []string) bool {
	for _, l := range literals {
		if strings.Contains(text, l) {
			return true
		}
	}
	return false
}

// settled: the last words may become a secret, and an open private key goes on.
func (secrets) settled(text string) int {
	at := lastWords(text, words)
	if i := strings.LastIndex(text, "-----BEGIN"); i >= 0 && !closedKey.MatchString(text[i:]) {
		at = min(at, i)
	}
	return at
}

var closedKey = regexp.MustCompile(`-----END [A-Z0-9 ]{0,40}-----|^-----BEGIN (?:[A-Z0-9 ]{0,40})(?:CERTIFICATE|PUBLIC KEY)-----`)

// endOfKey is the last line of a private key.
var endOfKey = regexp.MustCompile(`-----END (?:[A-Z0-9]{1,16} ){0,2}PRIVATE KEY(?: BLOCK)?-----`)

// lastWords is where the n-th word from the end begins.
func lastWords(text string, n int) int {
	in := false
	for i := len(text); i > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		if unicode.IsSpace(r) {
			if in {
				if n--; n == 0 {
					return i
				}
			}
			in = false
		} else {
			in = true
		}
		i -= size
	}
	return 0
}

// mixed tells that a value has letters and digits: no word of a language.
func mixed(value string) bool {
	return strings.ContainsAny(value, "0123456789") && strings.ContainsFunc(value, unicode.IsLetter)
}

// encoded tells that a value is no words of a language.
func encoded(value string) bool {
	return mixed(value) || !strings.ContainsAny(value, "-_") && strings.ContainsFunc(value, unicode.IsUpper) && strings.ContainsFunc(value[1:], unicode.IsUpper) &&
		strings.ContainsFunc(value, unicode.IsLower)
}

// placeholders stand where a secret would.
var placeholders = regexp.MustCompile(`(?i)^(?:[$<{%*(\[\\]|x{3,}|\.{3}|-+$|your[_-]|my[_-]|example|changeme$|redacted|(?:string|number|integer|null|nil|none|true|false|undefined|required|optional|unset|empty|missing|invalid|expired)\b|os\.|process\.|env\.|getenv|config\.|self\.|this\.)`)

func notPlaceholder(value string) bool { return !placeholders.MatchString(value) }

// passwordLike tells that a value is no word of a sentence and none that stands for a secret: it has a digit or a sign in it.
func passwordLike(value string) bool {
	value = strings.TrimRight(value, ".)]}>!?")
	if len(value) < 4 || placeholders.MatchString(value) {
		return false
	}
	return strings.ContainsFunc(value, func(r rune) bool { return unicode.IsDigit(r) || strings.ContainsRune(`!@#$%^&*+=~?`, r) })
}

var hexOnly = regexp.MustCompile(`^(?:[0-9a-fA-F]+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$`)

// random tells that a value looks as if it were drawn by lot: letters of both cases and digits, no digest, no path, more than 3.5 bits a character.
func random(value string) bool {
	if hexOnly.MatchString(value) || strings.Count(value, "/") > len(value)/12 || !mixed(value) ||
		!strings.ContainsFunc(value, unicode.IsUpper) || !strings.ContainsFunc(value, unicode.IsLower) {
		return false
	}
	var counts [256]int
	for i := range len(value) {
		counts[value[i]]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(value))
			bits -= p * math.Log2(p)
		}
	}
	return bits > 3.5
}
