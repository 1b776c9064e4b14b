package admit

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/specs"
)

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

// Candidate is a Stack that may come into force: by its document, or as it was, when its document cannot be read now.
type Candidate struct {
	Name string
	// Doc is its document on disk; nil when only the last one in force is known.
	Doc *Entry
	// File of the last document in force, its source path and exclude; InForce: there is one.
	InForce bool
	File    string
	Path    string
	// Exclude that is in force when the document sets none.
	Exclude []string
}

// dir is the directory that the candidate wants to govern.
func (c *Candidate) dir() string { return path.Join(path.Dir(c.file()), c.path()) }

func (c *Candidate) file() string {
	if c.Doc != nil {
		return c.Doc.Rel()
	}
	return c.File
}

func (c *Candidate) spec() *specs.StackSpec {
	if c.Doc != nil {
		if d := c.Doc.Document(); d != nil {
			if s, ok := d.Object.(*specs.Stack); ok {
				return &s.Spec
			}
		}
	}
	return nil
}

func (c *Candidate) path() string {
	if s := c.spec(); s != nil {
		return s.Source.Path
	}
	return c.Path
}

func (c *Candidate) exclude() []string {
	if s := c.spec(); s != nil && len(s.Source.Exclude) > 0 {
		return s.Source.Exclude
	}
	return c.Exclude
}

// Resolve decides which Stacks govern. A Stack whose document is refused stays as it was in force, if it was; the faults are at the
// documents that are refused. Accepted are the names whose document, as it is on disk, may be put in force.
func Resolve(candidates []Candidate) (g Governors, accepted map[string]*Entry, faults []specs.Fault) {
	g, accepted = Governors{}, map[string]*Entry{}
	docs, kept, faults := unique(candidates)
	for _, c := range kept {
		g[c.dir()] = c.governor()
	}
	slices.SortFunc(docs, func(a, b *Candidate) int {
		return cmp.Or(boolFirst(a.InForce, b.InForce), cmp.Compare(len(a.dir()), len(b.dir())), cmp.Compare(a.file(), b.file()), cmp.Compare(a.Name, b.Name))
	})
	for i, c := range docs {
		if _, excluded := g.Owner(c.file()); excluded && g[path.Dir(c.file())].Stack != c.Name {
			continue // nobody reads it
		}
		if c.Name == DefaultStack && c.dir() != "." {
			faults = append(faults, c.Doc.fault("metadata.name", "%q owns what no other Stack owns, so it is declared at the top of the manifest directory, or not at all", DefaultStack))
			continue
		}
		if other, taken := g[c.dir()]; taken && other.Stack != c.Name {
			faults = append(faults, c.Doc.fault("spec.source.path", "the directory %s is governed by stack/%s already%s", c.dir(), other.Stack, placeOf(docs[:i], other.Stack)))
			if c.InForce {
				old := Candidate{Name: c.Name, InForce: true, File: c.File, Path: c.Path, Exclude: c.Exclude}
				if _, taken := g[old.dir()]; !taken {
					g[old.dir()] = old.governor()
				}
			}
			continue
		}
		g[c.dir()], accepted[c.Name] = c.governor(), c.Doc
	}
	return g, accepted, faults
}

func (c *Candidate) governor() Governor {
	return Governor{Stack: c.Name, Dir: c.dir(), Exclude: NewMatcher(c.exclude())}
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func placeOf(docs []*Candidate, stack string) string {
	for _, c := range docs {
		if c.Name == stack && c.Doc != nil {
			return ", in " + c.Doc.Place()
		}
	}
	return ""
}

// unique parts candidates with one good document from those that stay as they were, and tells of names declared twice.
func unique(candidates []Candidate) (docs, kept []*Candidate, faults []specs.Fault) {
	byName := map[string][]*Candidate{}
	for i := range candidates {
		c := &candidates[i]
		byName[c.Name] = append(byName[c.Name], c)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list := byName[name]
		slices.SortFunc(list, func(a, b *Candidate) int { return cmp.Compare(a.file(), b.file()) })
		var good []*Candidate
		for _, c := range list {
			if c.Doc != nil && !c.Doc.Faulty {
				good = append(good, c)
			}
		}
		for i, c := range good[min(1, len(good)):] {
			faults = append(faults, c.Doc.fault("metadata.name", "stack/%s is declared in %s already", name, good[i].Doc.Place()))
		}
		switch {
		case len(good) == 1:
			docs = append(docs, good[0])
		case list[0].InForce:
			kept = append(kept, &Candidate{Name: name, InForce: true, File: list[0].File, Path: list[0].Path, Exclude: list[0].Exclude})
		}
	}
	return docs, kept, faults
}

// Partition sorts the files of a snapshot by the stacks that own them. Files that are passed over are left out.
func Partition(snap *source.Snapshot, g Governors) map[string][]*source.File {
	out := map[string][]*source.File{}
	for _, rel := range slices.Sorted(maps.Keys(snap.Files)) {
		if stack, excluded := g.Owner(rel); !excluded {
			out[stack] = append(out[stack], snap.Files[rel])
		}
	}
	return out
}
