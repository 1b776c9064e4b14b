package proxy

import (
	"net/http"
	"strings"
)

// stay are the headers that end here: of one connection, of the caller's credentials, and what the gate says by itself.
var stay = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
	"Http2-Settings": true, "Content-Length": true, "Expect": true, "Host": true,
	"Authorization": true, "Proxy-Authorization": true, "Proxy-Authenticate": true, "X-Api-Key": true, "Api-Key": true,
	"Forwarded": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true, "X-Real-Ip": true, "Via": true,
	"Accept-Encoding": true, // so that what comes back can be read
}

// cookies are credentials where no application of the route's own speaks with a browser: on routes of models.
var cookies = map[string]bool{"Cookie": true, "Set-Cookie": true, "Www-Authenticate": true}

// endToEnd gives the headers that go on, sharing their values. A name with an underscore does not: some servers take it for a hyphen.
func endToEnd(from http.Header, alsoStay map[string]bool) http.Header {
	to := make(http.Header, len(from))
	passOn(to, from, alsoStay)
	return to
}

// passOn puts the headers that go on beside those that are there.
func passOn(to, from http.Header, alsoStay map[string]bool) {
	named := from["Connection"]
	for name, values := range from {
		if stay[name] || alsoStay[name] || strings.IndexByte(name, '_') >= 0 || strings.HasPrefix(name, "X-Mirrorgate-") || nominated(named, name) {
			continue
		}
		to[name] = values
	}
}

// nominated tells whether Connection names a header as one of this connection.
func nominated(connection []string, name string) bool {
	for _, value := range connection {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				return true
			}
		}
	}
	return false
}

// forConditions gives the headers as conditions see them: names in lower case, the first value, no credentials.
func forConditions(from http.Header) map[string]string {
	out := make(map[string]string, len(from))
	for name, values := range from {
		if len(values) > 0 && name != "Authorization" && name != "Proxy-Authorization" && name != "X-Api-Key" && name != "Api-Key" && name != "Cookie" {
			out[strings.ToLower(name)] = values[0]
		}
	}
	return out
}
