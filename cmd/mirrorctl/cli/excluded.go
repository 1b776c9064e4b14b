package cli

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"

	"mirroros.dev/mirroros/specs"
)

// loaded is a file with what is in it, and what is wrong with it.
type loaded struct {
	manifest
	docs   []*specs.Document
	faults []specs.Fault
}

// withoutExcluded leaves out the files that Stacks among them pass over, as the operator does when the directory that was given is its
// manifest directory. Files that were given by name stay.
func withoutExcluded(files []loaded) []loaded {
	governors := map[string]specs.Governors{} // by directory given
	byRoot := map[string][]loaded{}
	for _, f := range files {
		if f.root != "" {
			byRoot[f.root] = append(byRoot[f.root], f)
		}
	}
	for root, list := range byRoot {
		governors[root] = governorsOf(list)
	}
	return slices.DeleteFunc(files, func(f loaded) bool {
		_, excluded := governors[f.root].Owner(f.rel())
		return f.root != "" && excluded
	})
}

// governorsOf are the Stacks that govern, those of outer directories first: what they exclude governs nothing.
func governorsOf(files []loaded) specs.Governors {
	type declared struct {
		file string
		specs.Governor
	}
	var all []declared
	for _, f := range files {
		for _, d := range f.docs {
			if s, ok := d.Object.(*specs.Stack); ok {
				dir := path.Join(path.Dir(f.rel()), s.Spec.Source.Path)
				all = append(all, declared{f.rel(), specs.Governor{Stack: s.Name, Dir: dir, Exclude: specs.NewMatcher(s.Spec.Source.Exclude)}})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b declared) int { return cmp.Compare(len(a.Dir), len(b.Dir)) })
	g := specs.Governors{}
	for _, d := range all {
		_, excluded := g.Owner(d.file)
		if _, taken := g[d.Dir]; !taken && !excluded {
			g[d.Dir] = d.Governor
		}
	}
	return g
}

// rel is the file's path below the directory that was given.
func (m *manifest) rel() string {
	rel, err := filepath.Rel(m.root, m.path)
	if err != nil {
		return m.path // it was found below it
	}
	return filepath.ToSlash(rel)
}
