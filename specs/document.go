package specs

import (
	"sync"

	"go.yaml.in/yaml/v3"
	k8sjson "sigs.k8s.io/json"
	k8syaml "sigs.k8s.io/yaml"
)

// Document is one YAML document of a file. It is immutable and may be shared, but not copied.
type Document struct {
	// File it is in, as it was given to Load.
	File string
	// Line of Text's first byte in File, from 1.
	Line int
	// Text of the document, from its first line with content on. It shares the memory of the file's content.
	Text []byte
	// Kind and Name as declared.
	Kind, Name string
	// Object is typed, with defaults filled in; nil when the document has faults.
	Object Object

	declaredOnce, rootOnce sync.Once
	declared               map[string]any
	root                   *yaml.Node
}

// Key is what must be unique among all documents: kind and name.
func (d *Document) Key() (kind, name string) { return d.Kind, d.Name }

// Declared is what the text says, as JSON values (whole numbers as int64), without defaults; nil for a document that has faults. The caller
// must not change it.
func (d *Document) Declared() map[string]any {
	d.declaredOnce.Do(func() {
		if d.Object == nil {
			return // its aliases may stand for more than fits in memory
		}
		if data, err := k8syaml.YAMLToJSON(d.Text); err == nil {
			_ = k8sjson.UnmarshalCaseSensitivePreserveInts(data, &d.declared)
			nameFields(d.declared)
		}
	})
	return d.declared
}

// Position finds a field, such as spec.env[0].value, in the file: line and column from 1. A field that is not there has the place of
// the nearest one above it that is.
func (d *Document) Position(path string) (line, column int) {
	n := find(d.nodes(), path)
	if n == nil {
		return d.Line, 1
	}
	return d.Line + n.Line - 1, n.Column
}

// nodes of the text; nil when it cannot be parsed. They are parsed when first asked for: most documents are good, and need none.
func (d *Document) nodes() *yaml.Node {
	d.rootOnce.Do(func() { d.root, _ = parseNodes(d.Text) })
	return d.root
}
