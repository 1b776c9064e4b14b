package audit

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxRecord bounds one line: what is longer is refused.
const maxRecord = 64 << 20

// appendBody appends a record's fields from kind on, without the braces around: what does not depend on where in the chain it will be.
// Together with the fields before it, it is what encoding/json makes of a Record, without escapes for HTML.
func appendBody(b []byte, r *Record) []byte {
	b = append(b, `"kind":`...)
	b = appendString(b, r.Kind)
	for _, f := range [...]struct{ name, value string }{
		{"request", r.Request}, {"principal", r.Principal}, {"token", r.Token}, {"instance", r.Instance}, {"peer", r.Peer}, {"gate", r.Gate},
		{"route", r.Route}, {"method", r.Method}, {"path", r.Path}, {"model", r.Model}, {"operation", r.Operation}, {"target", r.Target},
	} {
		b = appendText(b, f.name, f.value)
	}
	b = appendNumber(b, "maxTokens", r.MaxTokens)
	b = appendBool(b, "stream", r.Stream)
	b = appendText(b, "decision", r.Decision)
	b = appendNumber(b, "stage", int64(r.Stage))
	b = appendText(b, "reason", r.Reason)
	b = appendText(b, "rule", r.Rule)
	b = appendTexts(b, "shadow", r.Shadow)
	b = appendTexts(b, "filters", r.Filters)
	b = appendNumber(b, "snapshot", r.Snapshot)
	b = appendText(b, "backend", r.Backend)
	b = appendBool(b, "remote", r.Remote)
	b = appendText(b, "budget", r.Budget)
	b = appendNumber(b, "reserved", r.Reserved)
	b = appendNumber(b, "status", int64(r.Status))
	b = appendNumber(b, "requestSize", r.RequestSize)
	b = appendNumber(b, "responseSize", r.ResponseSize)
	b = appendNumber(b, "ms", r.Milliseconds)
	b = appendNumber(b, "inputTokens", r.InputTokens)
	b = appendNumber(b, "outputTokens", r.OutputTokens)
	b = appendText(b, "requestDigest", r.RequestDigest)
	b = appendText(b, "responseDigest", r.ResponseDigest)
	b = appendText(b, "requestBody", r.RequestBody)
	b = appendText(b, "responseBody", r.ResponseBody)
	return appendText(b, "text", r.Text)
}

// appendPlace appends the opening brace and the fields before the body. Every line begins so.
func appendPlace(b []byte, seq uint64, prev digest, at time.Time) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"prev":"`...)
	b = prev.append(b)
	b = append(b, `","time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	return append(b, `",`...)
}

func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendString(appendName(b, name), value)
}

func appendNumber(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	return strconv.AppendInt(appendName(b, name), value, 10)
}

func appendBool(b []byte, name string, value bool) []byte {
	if !value {
		return b
	}
	return append(appendName(b, name), "true"...)
}

func appendTexts(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, v)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string as encoding/json does: what is no UTF-8 becomes U+FFFD, and no line break gets through.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
			b = append(b, s[start:i]...)
			b = append(b, `\u`...)
			for shift := 12; shift >= 0; shift -= 4 {
				b = append(b, hexDigits[r>>shift&0xf])
			}
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// checkRecord refuses what cannot be a line of a caller's.
func checkRecord(r *Record, body int) error {
	switch {
	case r.Kind == "":
		return errors.New("cannot record: the record has no kind")
	case isOwn(r.Kind):
		return errors.New("cannot record: kind " + strconv.Quote(r.Kind) + " is the log's own")
	case body > maxRecord:
		return errors.New("cannot record: the record has " + strconv.Itoa(body>>20) + " MiB, more than " + strconv.Itoa(maxRecord>>20))
	}
	return nil
}
