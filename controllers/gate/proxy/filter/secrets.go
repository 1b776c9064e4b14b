package filter

import (
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shape is a kind of secret. What its pattern finds counts where good says so; of a pattern with groups, the group that took part is the
// secret. A text without any of the literals is not searched.
type shape struct {
	kind     string
	literals []string
	// begins: matches begin with one of the literals, in letters of any case, and are looked for there alone, which costs next to nothing;
	// with word, no letter or digit is before that.
	begins, word bool
	pattern      *regexp.Regexp
	good         func(value string) bool
}

const keyWords = `(?:pass(?:word|wd|phrase)|pwd|secret|api[ _-]?key|access[ _-]?key|secret[ _-]?key|private[ _-]?key|(?:auth|access|refresh|api)[ _-]?token|token|credentials?)`

// unspaced are the scripts that put no spaces between words. No secret reaches over a letter of theirs, so that a stream of them goes on too.
const unspaced = `\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}`

// keyBegins is what keyWords begin with.
var keyBegins = []string{"pass", "pwd", "secret", "api", "access", "private", "auth", "refresh", "token", "credential"}

// shapes of secrets. No match has more than five words, but that of a private key.
var shapes = []shape{
	{"PrivateKey", []string{"-----BEGIN"}, false, false,
		regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]{1,16} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END (?:[A-Z0-9]{1,16} ){0,2}PRIVATE KEY(?: BLOCK)?-----|\z)`), nil},
	{"AWSKey", []string{"AKIA", "ASIA", "ABIA", "ACCA"}, false, false, regexp.MustCompile(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}`), nil},
	{"GitHubToken", []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"}, false, false, regexp.MustCompile(`(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,})`), nil},
	{"GitLabToken", []string{"glpat-"}, false, false, regexp.MustCompile(`glpat-[A-Za-z0-9_-]{20,}`), nil},
	{"SlackToken", []string{"xox", "xapp-", "hooks.slack.com"}, false, false,
		regexp.MustCompile(`(?:xox[abeoprs](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,})`), nil},
	{"AnthropicKey", []string{"sk-ant-"}, false, false, regexp.MustCompile(`sk-ant-[A-Za-z0-9_-]{16,}`), nil},
	{"OpenAIKey", []string{"sk-"}, false, false, regexp.MustCompile(`\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}`), mixed},
	{"GoogleKey", []string{"AIza", "ya29.", "GOCSPX-"}, false, false,
		regexp.MustCompile(`(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})`), nil},
	{"StripeKey", []string{"k_live_", "k_test_"}, false, false, regexp.MustCompile(`[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`), nil},
	{"HuggingFaceToken", []string{"hf_"}, false, false, regexp.MustCompile(`\bhf_[A-Za-z0-9]{30,}`), nil},
	{"PackageToken", []string{"npm_", "pypi-AgE"}, false, false, regexp.MustCompile(`(?:npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{50,})`), nil},
	{"JWT", []string{"eyJ"}, false, false, regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}`), nil},
	{"Authorization", []string{"bearer", "authorization"}, true, true,
		regexp.MustCompile(`(?i)\A(?:bearer\s{1,16}([A-Za-z0-9._~+/-]{16,512}=*)|authorization["']?\s{0,16}[:=]\s{0,16}["']?(?:basic|token|digest)\s{1,16}([A-Za-z0-9._~+/=-]{8,512}))`), encoded},
	{"URLPassword", []string{"://"}, false, false, regexp.MustCompile(`://[^\s:/@"'` + unspaced + `]{0,64}:([^\s:/@"'` + unspaced + `]{3,128})@`), notPlaceholder},
	{"Password", keyBegins, true, false,
		regexp.MustCompile(`(?i)\A` + keyWords + `["'\x60]?\s{0,16}(?::=|=>|=|:|\bis\b)\s{0,16}(?:"([^"\s` + unspaced + `]{4,256})"|'([^'\s` + unspaced + `]{4,256})'|([^\s"'\x60,;` + unspaced + `]{6,512}))`), passwordLike},
	{"HighEntropy", keyBegins, true, true,
		regexp.MustCompile(`(?i)\A` + keyWords + `\b[^\s` + unspaced + `]{0,8}\s{1,16}(?:[^\s` + unspaced + `]{1,24}\s{1,16}){0,2}["'\x60(]{0,2}([A-Za-z0-9+/_-]{24,512}={0,2})`), random},
}

// longValue is how much of a value is looked at to judge it; what is longer goes with it.
const longValue = 512

// words that a match may have, and so how many are held back in a stream.
const words = 5

// secrets finds them.
type secrets struct{}

func (secrets) find(text string) (out []hit) {
	lower := ""
	for i := range shapes {
		s := &shapes[i]
		switch {
		case s.begins:
			if lower == "" {
				lower = lowerASCII(text)
			}
			out = s.findBegun(text, lower, out)
		case hasAny(text, s.literals):
			out = s.findAnywhere(text, out)
		}
	}
	return merge(out)
}

func (s *shape) findAnywhere(text string, out []hit) []hit {
	for _, m := range s.pattern.FindAllStringSubmatchIndex(text, -1) {
		if h := s.hit(m, 0); s.good == nil || s.good(text[h.start:h.end]) {
			out = append(out, h)
		}
	}
	return out
}

// findBegun looks where one of the literals is, but not within what it has found.
func (s *shape) findBegun(text, lower string, out []hit) []hit {
	next := make([]int, len(s.literals)) // where each literal is next, so that none is looked for twice
	for i, l := range s.literals {
		next[i] = indexFrom(lower, l, 0)
	}
	for at := 0; ; {
		begin := len(text)
		for i, l := range s.literals {
			if next[i] < at {
				next[i] = indexFrom(lower, l, at)
			}
			begin = min(begin, next[i])
		}
		if begin == len(text) {
			return out
		}
		at = begin + 1
		if s.word && begin > 0 && isWord(text[begin-1]) {
			continue
		}
		m := s.pattern.FindStringSubmatchIndex(text[begin:])
		if m == nil {
			continue
		}
		if h := s.hit(m, begin); s.good(text[h.start:h.end]) {
			for h.end-h.start >= longValue && h.end < len(text) && strings.IndexByte(" \t\r\n\"'`,;", text[h.end]) < 0 {
				h.end++
			}
			out = append(out, h)
			at = h.end
		}
	}
}

func indexFrom(text, literal string, at int) int {
	if i := strings.Index(text[at:], literal); i >= 0 {
		return at + i
	}
	return len(text)
}

// hit of a match in a text of which the first bytes were left out.
func (s *shape) hit(m []int, left int) hit {
	h := hit{left + m[0], left + m[0], left + m[1], s.kind}
	for g := 2; g < len(m); g += 2 {
		if m[g] >= 0 {
			h.start, h.end = left+m[g], left+m[g+1]
		}
	}
	return h
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// lowerASCII keeps every byte in its place.
func lowerASCII(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
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

var unspacedScripts = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// lastWords is where the n-th word from the end begins, or what follows the last letter of a script without spaces.
func lastWords(text string, n int) int {
	in := false
	for i := len(text); i > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:i])
		space := unicode.IsSpace(r)
		if space && in {
			n--
		}
		if space && n == 0 || r >= 0x0e00 && unicode.In(r, unspacedScripts...) {
			return i
		}
		in = !space
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
