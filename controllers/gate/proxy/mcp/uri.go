package mcp

import (
	"errors"
	"strings"
)

// plain refuses a URI that a server may take for another one than it reads as: a rule for file:///pub/* must not let file:///pub/../etc pass.
func plain(uri string) error {
	lower := strings.ToLower(uri)
	for _, trick := range [...]string{"%2e", "%2f", "%5c", "%00", `\`} {
		if strings.Contains(lower, trick) {
			return errors.New("uri has an escape that hides its path")
		}
	}
	for _, c := range uri {
		if c <= ' ' || c == 0x7f {
			return errors.New("uri has a blank or control character")
		}
	}
	path, _, _ := strings.Cut(uri, "#")
	path, _, _ = strings.Cut(path, "?")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return errors.New("uri has a segment that leads elsewhere")
		}
	}
	return nil
}
