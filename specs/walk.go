package specs

import (
	"fmt"
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// walker goes through the nodes of a document along a Go type. It notes every fault with its place, and sets what is right, so that
// the rest can still be validated. What it makes of a document without faults is what sigs.k8s.io/yaml makes of it.
type walker struct {
	doc    *Document
	kind   *Kind
	faults []Fault
	// path to the value at hand.
	path []pathStep
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

// fault notes one of the value at hand, at the place of a node.
func (w *walker) fault(n *yaml.Node, format string, args ...any) {
	w.faultAt(n, pathString(w.path), format, args...)
}

// faultAt notes one of another field.
func (w *walker) faultAt(n *yaml.Node, path, format string, args ...any) {
	w.bad = append(w.bad, path)
	if w.full() {
		return
	}
	line, column := w.doc.Line, 1
	if n != nil && n.Line > 0 {
		line, column = w.doc.Line+n.Line-1, n.Column
	}
	w.faults = append(w.faults, Fault{w.doc.File, line, column, path, fmt.Sprintf(format, args...)})
}

// full tells that there are enough faults: nothing more needs to be looked at.
func (w *walker) full() bool { return len(w.faults) >= maxFaults }

// done tells that the walk is over before its end.
func (w *walker) done() bool { return w.visits < 0 || w.full() }

// faultBelow notes one of a key of the mapping at hand.
func (w *walker) faultBelow(n *yaml.Node, key, format string, args ...any) {
	w.faultAt(n, w.below(key), format, args...)
}

// below is the path of a key of the value at hand.
func (w *walker) below(key string) string {
	return pathString(append(w.path[:len(w.path):len(w.path)], pathStep{key, false}))
}

// child walks a value one step further down.
func (w *walker) child(s pathStep, n *yaml.Node, dst reflect.Value) {
	w.path = append(w.path, s)
	w.value(n, dst)
	w.path = w.path[:len(w.path)-1]
}

// value sets dst to one value.
func (w *walker) value(mark *yaml.Node, dst reflect.Value) {
	n := deref(mark)
	if w.visits -= 1 + len(n.Value)/64; w.visits < 0 {
		return
	}
	t := indirect(dst.Type())
	leaf := custom[t]
	if leaf == nil {
		switch t.Kind() {
		case reflect.Struct:
			w.structure(n, mark, dst)
			return
		case reflect.Map:
			w.mapping(n, mark, dst)
			return
		case reflect.Slice:
			w.sequence(n, mark, dst)
			return
		}
		leaf = leafOf(t.Kind())
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		w.fault(mark, "is %s, not %s", nodeWord(n), typeWord(t))
	case leaf == nil:
		w.fault(mark, "cannot be set in a manifest")
	case w.knownTag(n):
		v := reflect.New(t).Elem()
		if leaf(w, n, v) {
			alloc(dst).Set(v)
		}
	}
}

// alloc follows pointers, and makes what they point to.
func alloc(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return v
}

// knownTag refuses tags such as !include, which nobody here would act on.
func (w *walker) knownTag(n *yaml.Node) bool {
	if n.Style&yaml.TaggedStyle == 0 {
		return true
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!bool", "!!float", "!!null", "!!map", "!!seq":
		return true
	}
	w.fault(n, "the tag %s is not known here", n.Tag)
	return false
}

func (w *walker) sequence(n, mark *yaml.Node, dst reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		w.fault(mark, "is %s, not a list; a list of one is [%s] or a line that begins with -", nodeWord(n), example(n))
		return
	}
	if !w.knownTag(n) {
		return
	}
	list := reflect.MakeSlice(dst.Type(), len(n.Content), len(n.Content))
	for i, c := range n.Content {
		if w.done() {
			return
		}
		step := pathStep{strconv.Itoa(i), true}
		if e := deref(c); isNull(e) && dst.Type().Elem().Kind() != reflect.String {
			w.faultAt(c, pathString(append(w.path[:len(w.path):len(w.path)], step)), "is empty: write something after the -, or remove it")
			continue
		}
		w.child(step, c, list.Index(i))
	}
	dst.Set(list)
}

func (w *walker) mapping(n, mark *yaml.Node, dst reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		w.fault(mark, "is %s, not a mapping of names to values", nodeWord(n))
		return
	}
	m := reflect.MakeMap(dst.Type())
	w.pairs(n, func(string) bool { return false }, func(k, v *yaml.Node) {
		e := reflect.New(dst.Type().Elem()).Elem()
		w.child(pathStep{k.Value, false}, v, e)
		m.SetMapIndex(reflect.ValueOf(k.Value).Convert(dst.Type().Key()), e)
	})
	dst.Set(m)
}

func (w *walker) structure(n, mark *yaml.Node, dst reflect.Value) {
	if isNull(n) {
		return
	}
	fields := fieldsOf(indirect(dst.Type()))
	if n.Kind != yaml.MappingNode {
		w.fault(mark, "is %s, not a mapping of %s", nodeWord(n), someNames(fields.names()))
		return
	}
	dst = alloc(dst)
	w.pairs(n, fields.has, func(k, v *yaml.Node) {
		f := fields.byName[k.Value]
		if f == nil {
			w.unknown(k, v, fields)
		} else if word := w.operatorField(k.Value); word != "" {
			w.faultBelow(k, k.Value, "%s", word)
		} else {
			w.child(pathStep{k.Value, false}, v, dst.FieldByIndex(f.index))
		}
	})
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && scalar(n) == nil }
