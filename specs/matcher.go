package specs

import (
	"path"
	"slices"
	"strings"
)

// Matcher tells which paths are excluded, as .gitignore does: `*`, `?` and `[...]` stay within a name, `**` is any number of directories,
// a slash at the beginning or within ties the pattern to the directory, one at the end means directories only, `!` brings back what an
// earlier pattern excluded. What is below an excluded directory is excluded.
type Matcher []pattern

type pattern struct {
	parts  []string
	negate bool
	dirs   bool
}

// NewMatcher reads patterns; empty ones and those that begin with # exclude nothing.
func NewMatcher(patterns []string) Matcher {
	var m Matcher
	for _, text := range patterns {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		var p pattern
		text, p.negate = cutPrefix(text, "!")
		if t := strings.TrimRight(text, "/"); t != text {
			text, p.dirs = t, true
		}
		tied := strings.Contains(text, "/")
		text = strings.TrimPrefix(text, "/")
		text = strings.TrimPrefix(text, "./")
		if text == "" {
			continue
		}
		p.parts = strings.Split(text, "/")
		if !tied {
			p.parts = append([]string{"**"}, p.parts...)
		}
		m = append(m, p)
	}
	return m
}

func cutPrefix(s, prefix string) (string, bool) {
	t, ok := strings.CutPrefix(s, prefix)
	return t, ok
}

// Match tells whether the path, relative to the directory of the patterns, is excluded, by itself or by a directory above it.
func (m Matcher) Match(rel string, dir bool) bool {
	if len(m) == 0 || rel == "." || rel == "" {
		return false
	}
	parts := strings.Split(rel, "/")
	for i := 1; i <= len(parts); i++ {
		if m.one(parts[:i], i < len(parts) || dir) {
			return true
		}
	}
	return false
}

// one looks at a path by itself; the last pattern that matches decides.
func (m Matcher) one(parts []string, dir bool) bool {
	for i := len(m) - 1; i >= 0; i-- {
		if p := &m[i]; (dir || !p.dirs) && match(p.parts, parts) {
			return !p.negate
		}
	}
	return false
}

func match(pattern, parts []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			if len(pattern) == 1 {
				return len(parts) > 0
			}
			for i := range parts {
				if match(pattern[1:], parts[i:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], parts[0]); err != nil || !ok {
			return false
		}
		pattern, parts = pattern[1:], parts[1:]
	}
	return len(parts) == 0
}

// Equal tells whether two matchers have the same patterns.
func (m Matcher) Equal(o Matcher) bool {
	return slices.EqualFunc(m, o, func(a, b pattern) bool {
		return a.negate == b.negate && a.dirs == b.dirs && slices.Equal(a.parts, b.parts)
	})
}
