package specs

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var errTrailing = errors.New("did not expect more after the end of the document")

// parseNodes reads one document as nodes that know their places.
func parseNodes(text []byte) (*yaml.Node, error) {
	if len(text) > 0 && isLetter(text[0]) {
		return parseWhole(text)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, rest yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	// A document whose first line is indented ends where the indentation does: what follows must not be dropped.
	if err := dec.Decode(&rest); err == nil {
		return nil, errTrailing
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return content(&doc)
}

// parseWhole reads a document whose first line is not indented and begins with a name: no text can be left over behind it.
func parseWhole(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return content(&doc)
}

func content(doc *yaml.Node) (*yaml.Node, error) {
	if len(doc.Content) != 1 {
		return nil, errors.New("is empty")
	}
	return doc.Content[0], nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// deref follows an alias.
func deref(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pathStep is one step of a field path: a key, or an index of a list (then key is the number's text).
type pathStep struct {
	key     string
	bracket bool
}

// parsePath reads a path such as spec.env[0].value or metadata.labels[example.org/name].
func parsePath(path string) []pathStep {
	var steps []pathStep
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return steps
			}
			steps = append(steps, pathStep{path[1:end], true})
			path = path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps = append(steps, pathStep{path[:end], false})
			path = path[end:]
		}
	}
	return steps
}

// pathString is the opposite of parsePath. A key that is no plain name stands in brackets.
func pathString(steps []pathStep) string {
	var b strings.Builder
	for _, s := range steps {
		switch {
		case s.bracket || strings.ContainsAny(s.key, ".[]/"):
			b.WriteString("[" + s.key + "]")
		case b.Len() > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// find gives the node that marks the place of a field, or of the nearest one above it that exists: the value where it stands on
// one line, else its key. It is nil for the document as a whole.
func find(root *yaml.Node, path string) *yaml.Node {
	n, mark := deref(root), (*yaml.Node)(nil)
	for _, s := range parsePath(path) {
		if n == nil {
			break
		}
		key, value := step(n, s)
		if value == nil {
			break
		}
		mark, n = markOf(key, value), deref(value)
	}
	return mark
}

// valueAt is the value of a field; nil when it is not there.
func valueAt(root *yaml.Node, path string) *yaml.Node {
	n := deref(root)
	for _, s := range parsePath(path) {
		if n == nil {
			return nil
		}
		_, n = step(n, s)
		n = deref(n)
	}
	return n
}

// step goes one step down from a value.
func step(n *yaml.Node, s pathStep) (key, value *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		return lookup(n, s.key, nil)
	case n.Kind == yaml.SequenceNode && s.bracket:
		if i, err := strconv.Atoi(s.key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	}
	return nil, nil
}

// markOf chooses between a key and its value as the place to point at.
func markOf(key, value *yaml.Node) *yaml.Node {
	v := deref(value)
	if v.Kind == yaml.ScalarNode && v.Value == "" && v.Style == 0 {
		return key // nothing is written there
	}
	if value.Kind == yaml.AliasNode || v.Kind == yaml.ScalarNode || v.Style&yaml.FlowStyle != 0 {
		return value
	}
	return key
}

// lookup finds a key of a mapping: its own, else one that it merges. Each mapping in seen is passed over.
func lookup(n *yaml.Node, name string, seen map[*yaml.Node]bool) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == name {
			return k, n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		if seen == nil {
			seen = map[*yaml.Node]bool{}
		}
		for _, m := range merged(n.Content[i+1]) {
			if seen[m] {
				continue
			}
			seen[m] = true
			if k, v := lookup(m, name, seen); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

// isMerge tells whether a key is the merge key <<.
func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 && (k.Tag == "" || k.ShortTag() == "!!merge")
}

// merged are the mappings that the value of a merge key names; what is no mapping is left out.
func merged(value *yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	switch v := deref(value); v.Kind {
	case yaml.MappingNode:
		out = append(out, v)
	case yaml.SequenceNode:
		for _, c := range v.Content {
			if c = deref(c); c.Kind == yaml.MappingNode {
				out = append(out, c)
			}
		}
	}
	return out
}
