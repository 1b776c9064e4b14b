package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/specs"
)

// tree is a part of an object as JSON.
type tree = map[string]any

// created is the object of a document that is not in force yet.
func created(doc *specs.Document, stack string) specs.Object {
	v := reflect.ValueOf(doc.Object).Elem()
	n := reflect.New(v.Type())
	n.Elem().Set(v) // what it points to is shared: the client copies
	o := n.Interface().(specs.Object)
	own(o, stack)
	return o
}

// own labels an object as the stack's.
func own(o specs.Object, stack string) {
	labels := maps.Clone(o.GetLabels())
	if stack != "" {
		if labels == nil {
			labels = map[string]string{}
		}
		labels[specs.LabelStack] = stack
	}
	o.SetLabels(labels)
}

// merged is the live object with what the document next declares in place of what last declared: fields that next sets are next's, fields
// that only last set go, and all others stay as they are, whoever wrote them. A list is one field. Fields that nobody wrote have the
// defaults that suit next. last is nil when no document declared the object before. The faults are those of fields that do not fit together.
func merged(last, next *specs.Document, live specs.Object, stack string) (specs.Object, field.ErrorList, error) {
	n, err := treeOf(next.Object)
	if err != nil {
		return nil, nil, err
	}
	l, err := treeOf(live)
	if err != nil {
		return nil, nil, err
	}
	base, was := n, tree{}
	if last != nil && last.Object != nil {
		if base, err = treeOf(last.Object); err != nil {
			return nil, nil, err
		}
		was = last.Declared()
	}
	is := next.Declared()
	out := maps.Clone(l)
	delete(out, "status")
	out["spec"] = merge(sub(base, "spec"), sub(n, "spec"), sub(l, "spec"), sub(was, "spec"), sub(is, "spec"))
	meta := maps.Clone(sub(l, "metadata"))
	for _, part := range []string{"labels", "annotations"} {
		meta[part] = mergeMap(sub(sub(l, "metadata"), part), sub(sub(was, "metadata"), part), sub(sub(is, "metadata"), part))
	}
	delete(sub(meta, "annotations"), specs.AnnotationDirectory)
	out["metadata"] = meta
	return finish(out, next.Kind, stack)
}

// finish makes the typed object, with defaults, and validates it.
func finish(out tree, kind, stack string) (specs.Object, field.ErrorList, error) {
	data, err := json.Marshal(out)
	if err != nil {
		return nil, nil, err
	}
	o := specs.KindOf(kind).New()
	if err := json.Unmarshal(data, o); err != nil {
		return nil, nil, fmt.Errorf("cannot read merged object: %w", err)
	}
	own(o, stack)
	specs.Default(o)
	return o, specs.Validate(o), nil
}

// merge merges one mapping: base and next are the defaulted objects of the last and the next document, was and is what these declare.
func merge(base, next, live, was, is tree) tree {
	out := tree{}
	keys := maps.Clone(next)
	if keys == nil {
		keys = tree{}
	}
	maps.Copy(keys, live)
	for k := range keys {
		nv, inNext := next[k]
		lv, inLive := live[k]
		declared := is[k]
		inner, isMap := declared.(tree)
		switch {
		case declared != nil && isMap && inNext:
			if nm, ok := nv.(tree); ok {
				nv = merge(sub(base, k), nm, sub(live, k), sub(was, k), inner)
			}
			out[k] = nv
		case declared != nil || was[k] != nil:
			if inNext {
				out[k] = nv
			}
		case untouched(base, live, k):
			if inNext {
				out[k] = nv
			}
		case inLive:
			out[k] = lv
		}
	}
	return out
}

// untouched tells whether a field is as the last document and the defaults made it.
func untouched(base, live tree, k string) bool {
	b, inBase := base[k]
	l, inLive := live[k]
	return inBase == inLive && reflect.DeepEqual(b, l)
}

// mergeMap merges labels or annotations, where each key stands for itself.
func mergeMap(live, was, is tree) tree {
	out := maps.Clone(live)
	if out == nil {
		out = tree{}
	}
	for k := range was {
		delete(out, k)
	}
	for k, v := range is {
		if v != nil {
			out[k] = v
		}
	}
	return out
}

func sub(t tree, key string) tree { m, _ := t[key].(tree); return m }

func treeOf(o specs.Object) (tree, error) {
	data, err := specs.Marshal(o)
	if err != nil {
		return nil, err
	}
	var t tree
	return t, json.Unmarshal(data, &t)
}

// released is the object as it is, but that it belongs to no stack; relative paths in it still start at dir.
func released(live specs.Object, dir string) specs.Object {
	o := specs.Copy(live)
	labels, annotations := maps.Clone(o.GetLabels()), maps.Clone(o.GetAnnotations())
	delete(labels, specs.LabelStack)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[specs.AnnotationDirectory] = dir
	o.SetLabels(labels)
	o.SetAnnotations(annotations)
	return o
}
