package admit

import (
	"cmp"
	"maps"
	"path"
	"slices"

	"mirroros.dev/mirroros/reconcile/source"
	"mirroros.dev/mirroros/specs"
)

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
func Resolve(candidates []Candidate) (g specs.Governors, accepted map[string]*Entry, faults []specs.Fault) {
	g, accepted = specs.Governors{}, map[string]*Entry{}
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
		if c.Name == specs.DefaultStack && c.dir() != "." {
			faults = append(faults, c.Doc.fault("metadata.name", "%q owns what no other Stack owns, so it is declared at the top of the manifest directory, or not at all", specs.DefaultStack))
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

func (c *Candidate) governor() specs.Governor {
	return specs.Governor{Stack: c.Name, Dir: c.dir(), Exclude: specs.NewMatcher(c.exclude())}
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
func Partition(snap *source.Snapshot, g specs.Governors) map[string][]*source.File {
	out := map[string][]*source.File{}
	for _, rel := range slices.Sorted(maps.Keys(snap.Files)) {
		if stack, excluded := g.Owner(rel); !excluded {
			out[stack] = append(out[stack], snap.Files[rel])
		}
	}
	return out
}
