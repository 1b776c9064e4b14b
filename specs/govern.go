package specs

import (
	"path"
	"strings"
)

// DefaultStack owns the files that no Stack manifest owns. The operator makes it.
const DefaultStack = "default"

// Governor is a Stack and the directory that it governs, with all below it that no nearer Stack governs.
type Governor struct {
	Stack string
	// Dir below the manifest directory; "." for all of it.
	Dir string
	// Exclude has paths relative to Dir.
	Exclude Matcher
}

// Governors are the Stacks in force, by the directory that they govern.
type Governors map[string]Governor

// Owner tells which stack owns a file, and whether it is passed over.
func (g Governors) Owner(rel string) (stack string, excluded bool) {
	return g.owner(rel, path.Dir(rel), false)
}

// Excludes tells whether a file or directory need not be read at all.
func (g Governors) Excludes(rel string, dir bool) bool {
	if !dir {
		_, excluded := g.Owner(rel)
		return excluded
	}
	for d := range g {
		if d == rel || strings.HasPrefix(d, rel+"/") {
			return false
		}
	}
	_, excluded := g.owner(rel, rel, true)
	return excluded
}

func (g Governors) owner(rel, at string, dir bool) (string, bool) {
	for ; ; at = path.Dir(at) {
		if o, ok := g[at]; ok {
			return o.Stack, o.Exclude.Match(below(rel, o.Dir), dir)
		}
		if at == "." || at == "/" {
			return DefaultStack, false
		}
	}
}

// below is rel as seen from dir.
func below(rel, dir string) string {
	if dir == "." {
		return rel
	}
	return strings.TrimPrefix(rel, dir+"/")
}
