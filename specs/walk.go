package specs

import (
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// walker goes through the nodes of a document along a Go type. It notes every fault with its place, and makes JSON values of what
// is right, so that the rest can still be validated.
type walker struct {
	doc    *Document
	kind   *Kind
	faults []Fault
	// bad are the fields that have faults already: what validation says of them would only repeat it.
	bad []string
	// visits left: aliases make a small text a large tree.
	visits int
}

// maxVisits bounds the values of a document with its aliases written out; 64 bytes of text count as one more.
const maxVisits = 1 << 18

// maxMergeDepth bounds how deep merge keys may refer to mappings that merge others.
const maxMergeDepth = 16

// maxFaults bounds the faults told of one document; a file that is no manifest at all would fill pages.
const maxFaults = 50

// fault notes one at the place of a node.
func (w *walker) fault(n *yaml.Node, path, format string, args ...any) {
	w.bad = append(w.bad, path)
	if len(w.faults) >= maxFaults {
		return
	}
	line, column := w.doc.Line, 1
	if n != nil && n.Line > 0 {
		line, column = w.doc.Line+n.Line-1, n.Column
	}
	w.faults = append(w.faults, Fault{w.doc.File, line, column, path, fmt.Sprintf(format, args...)})
}

// custom types have a text form of their own in JSON.
var custom = map[reflect.Type]func(*walker, *yaml.Node, string) any{
	reflect.TypeFor[metav1.Duration]():    (*walker).duration,
	reflect.TypeFor[resource.Quantity]():  (*walker).quantity,
	reflect.TypeFor[intstr.IntOrString](): (*walker).intOrString,
	reflect.TypeFor[metav1.Time]():        (*walker).time,
	reflect.TypeFor[metav1.MicroTime]():   (*walker).time,
}

// value walks one value; mark is where a fault of it is shown.
func (w *walker) value(n *yaml.Node, t reflect.Type, path string) any {
	mark := n
	n, t = deref(n), indirect(t)
	if w.visits -= 1 + len(n.Value)/64; w.visits < 0 {
		return nil
	}
	leaf, isCustom := custom[t]
	if !isCustom {
		switch t.Kind() {
		case reflect.Struct:
			return w.structure(n, mark, t, path)
		case reflect.Map:
			return w.mapping(n, mark, t, path)
		case reflect.Slice:
			return w.sequence(n, mark, t, path)
		}
	}
	if n.Kind != yaml.ScalarNode {
		w.fault(mark, path, "is %s, not %s", nodeWord(n), typeWord(t))
		return nil
	}
	if !w.knownTag(n, path) {
		return nil
	}
	if isCustom {
		return leaf(w, n, path)
	}
	switch t.Kind() {
	case reflect.String:
		return w.text(n, path)
	case reflect.Bool:
		return w.boolean(n, path)
	case reflect.Int, reflect.Int32, reflect.Int64:
		return w.integer(n, path, t.Bits())
	}
	w.fault(mark, path, "cannot be set in a manifest")
	return nil
}

// knownTag refuses tags such as !include, which nobody here would act on.
func (w *walker) knownTag(n *yaml.Node, path string) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!bool", "!!float", "!!null", "!!map", "!!seq":
		return true
	}
	w.fault(n, path, "the tag %s is not known here", n.Tag)
	return false
}

func (w *walker) sequence(n, mark *yaml.Node, t reflect.Type, path string) any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		w.fault(mark, path, "is %s, not a list; a list of one is [%s] or a line that begins with -", nodeWord(n), example(n))
		return nil
	}
	list := make([]any, 0, len(n.Content))
	for i, c := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		if isNull(deref(c)) && indirect(t.Elem()).Kind() != reflect.String {
			w.fault(c, at, "is empty: write something after the -, or remove it")
		}
		v := w.value(c, t.Elem(), at)
		if v == nil {
			v = reflect.Zero(indirect(t.Elem())).Interface() // keeps the places of those behind it
		}
		list = append(list, v)
	}
	return list
}

func (w *walker) mapping(n, mark *yaml.Node, t reflect.Type, path string) any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		w.fault(mark, path, "is %s, not a mapping of names to values", nodeWord(n))
		return nil
	}
	m := map[string]any{}
	w.pairs(n, path, func(k, v *yaml.Node) {
		at := joinPath(path, k.Value)
		if x := w.value(v, t.Elem(), at); x != nil {
			m[k.Value] = x
		}
	})
	return m
}

func (w *walker) structure(n, mark *yaml.Node, t reflect.Type, path string) any {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		w.fault(mark, path, "is %s, not a mapping of %s", nodeWord(n), someNames(fieldsOf(t).names()))
		return nil
	}
	fields := fieldsOf(t)
	m := map[string]any{}
	w.pairs(n, path, func(k, v *yaml.Node) {
		at := childPath(path, k.Value)
		f := fields.byName[k.Value]
		if f == nil {
			w.unknown(k, v, fields, path)
			return
		}
		if word := w.operatorField(at); word != "" {
			w.fault(k, at, "%s", word)
			return
		}
		if x := w.value(v, f.typ, at); x != nil {
			m[k.Value] = x
		}
	})
	return m
}

// pairs calls fn for every key of a mapping: its own, which must not repeat, and then those that it merges and does not have.
func (w *walker) pairs(n *yaml.Node, path string, fn func(k, v *yaml.Node)) {
	w.knownTag(n, path)
	seen := map[string]*yaml.Node{}
	w.ownPairs(n, path, seen, fn)
	w.mergedPairs(n, path, seen, fn, 0)
}

func (w *walker) ownPairs(n *yaml.Node, path string, seen map[string]*yaml.Node, fn func(k, v *yaml.Node)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if isMerge(k) {
			continue
		}
		if k = deref(k); k.Kind != yaml.ScalarNode {
			w.fault(n.Content[i], path, "has a key that is %s; keys are names", nodeWord(k))
			continue
		}
		if first := seen[k.Value]; first != nil {
			w.fault(n.Content[i], childPath(path, k.Value), "is set twice, first in line %d", w.doc.Line+first.Line-1)
			continue
		}
		if _, isText := scalar(k).(string); !isText {
			w.fault(n.Content[i], path, "the key %s is read as no text by YAML; put it in quotes: %s", k.Value, quote(k.Value))
			continue
		}
		seen[k.Value] = n.Content[i]
		fn(k, v)
	}
}

func (w *walker) mergedPairs(n *yaml.Node, path string, seen map[string]*yaml.Node, fn func(k, v *yaml.Node), depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := merged(n.Content[i+1])
		if len(from) == 0 || depth == maxMergeDepth {
			w.fault(n.Content[i], path, "<< merges mappings: write the alias of one after it, or a list of them")
			continue
		}
		for _, m := range from {
			if w.visits--; w.visits < 0 {
				return
			}
			fresh := map[string]*yaml.Node{}
			w.ownPairs(m, path, fresh, func(k, v *yaml.Node) {
				if seen[k.Value] == nil {
					seen[k.Value] = k
					fn(k, v)
				}
			})
			w.mergedPairs(m, path, seen, fn, depth+1)
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && scalar(n) == nil }

// childPath appends a field's name.
func childPath(path, name string) string {
	if path == "" {
		return name
	}
	return joinPath(path, name)
}
