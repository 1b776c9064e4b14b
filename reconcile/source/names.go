package source

import (
	"path"
	"strings"
)

// hidden tells names that are never looked at: dot files and dot directories, and with them .git and editors' swap and lock files.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// isManifest tells whether a file of this name is read. What editors leave beside a file (x.yaml~, #x.yaml#, .x.yaml.swp, 4913)
// does not end in .yaml or .yml, or is hidden.
func isManifest(name string) bool {
	if hidden(name) || strings.HasPrefix(name, "#") || strings.HasPrefix(name, "~") {
		return false
	}
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// manifestPath tells whether the file at rel is read, given the exclusion of it and of every directory above it.
func manifestPath(rel string, exclude func(string, bool) bool) bool {
	if !isManifest(path.Base(rel)) || exclude(rel, false) {
		return false
	}
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		if hidden(path.Base(dir)) || exclude(dir, true) {
			return false
		}
	}
	return true
}

// join is path.Join of a directory's rel, "." for the root, and a name.
func join(rel, name string) string {
	if rel == "." {
		return name
	}
	return rel + "/" + name
}
