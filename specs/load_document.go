package specs

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// load reads the document by its nodes, which know the place of everything, and goes on after a fault.
func (d *Document) load() (faults []Fault) {
	w := &walker{doc: d, visits: maxVisits}
	defer func() {
		if r := recover(); r != nil { // the YAML library is not ours: what it cannot take must not end the operator
			w.faultAt(nil, "", "cannot be read: %v", r)
			d.Object, faults = nil, w.faults
		}
	}()
	if len(d.Text) > MaxDocumentBytes {
		w.faultAt(nil, "", "the document has %d bytes; one has at most %d", len(d.Text), MaxDocumentBytes)
		return w.faults
	}
	root, err := parseNodes(d.Text)
	if err != nil {
		return []Fault{d.syntaxFault(err)}
	}
	if w.document(root) {
		if o := w.object(root); len(w.faults) == 0 {
			d.Object = o
		}
	}
	slices.SortStableFunc(w.faults, func(a, b Fault) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return w.faults
}

// document looks at what a document is before it looks into it: its kind and version. It tells whether there is more to look at.
func (w *walker) document(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		w.faultAt(n, "", "is %s; a manifest is a mapping of apiVersion, kind, metadata and spec", nodeWord(n))
		return false
	}
	if word := foreignFile(n); word != "" {
		w.faultAt(n.Content[0], "", "%s", word)
		return false
	}
	_, w.doc.Kind = stringAt(n, "kind")
	if meta := valueAt(n, "metadata"); meta != nil && meta.Kind == yaml.MappingNode {
		_, w.doc.Name = stringAt(meta, "name")
	}
	return w.knownKind(n)
}

// knownKind finds the kind, or says why there is none.
func (w *walker) knownKind(n *yaml.Node) bool {
	versionKey, version := stringAt(n, "apiVersion")
	kindKey, kind := stringAt(n, "kind")
	switch {
	case kindKey == nil:
		w.faultAt(nil, "kind", "is missing: %s", knownKinds())
		return false
	case version != GroupVersion.String() && foreignKind(version, kind) != "":
		w.faultAt(kindKey, "kind", "%s", foreignKind(version, kind))
		return false
	case laterKinds[kind] != "":
		w.faultAt(kindKey, "kind", "%s %s", kind, laterKinds[kind])
		return false
	}
	if w.kind = KindOf(kind); w.kind == nil {
		if advice := foreignKinds[kind]; advice != "" {
			w.faultAt(kindKey, "kind", "no kind %s here: %s", quote(kind), advice)
			return false
		}
		w.faultAt(kindKey, "kind", "no kind %s%s: %s", quote(kind), DidYouMean(kind, kindNames()), knownKinds())
		return false
	}
	if w.kind.OperatorOnly {
		w.faultAt(kindKey, "kind", "%s is written by the operator; %s", kind, w.kind.Instead)
		return false
	}
	if w.kind.APIOnly {
		w.faultAt(kindKey, "kind", "%s is not declared in a manifest; %s", kind, w.kind.Instead)
		return false
	}
	if versionKey == nil {
		w.faultAt(nil, "apiVersion", "is missing: write %s", w.kind.APIVersion())
	} else if version != w.kind.APIVersion() {
		w.faultAt(versionKey, "apiVersion", "%s has no kind %s: write %s", quote(version), kind, w.kind.APIVersion())
	}
	return true
}

// stringAt is the text of a key of a mapping; the node is nil when there is none.
func stringAt(n *yaml.Node, key string) (*yaml.Node, string) {
	_, v := lookup(n, key, nil)
	if v = deref(v); v == nil || v.Kind != yaml.ScalarNode || v.Value == "" {
		return nil, ""
	}
	return v, v.Value
}

// object walks the document along the type of its kind, and validates what could be read.
func (w *walker) object(root *yaml.Node) Object {
	o := w.kind.New()
	w.value(root, reflect.ValueOf(o))
	if w.visits < 0 {
		w.faultAt(nil, "", "is too large when its aliases are written out")
		return nil
	}
	if w.full() {
		w.faults = append(w.faults, Fault{File: w.doc.File, Line: w.faults[maxFaults-1].Line, Message: "there are more faults from here on"})
		return nil
	}
	Default(o)
	for _, e := range Validate(o) {
		w.validation(root, e)
	}
	for _, label := range []string{LabelStack, LabelProcess, LabelTemplateHash} {
		if _, set := o.GetLabels()[label]; set {
			at := "metadata.labels[" + label + "]"
			w.faultAt(find(root, at), at, byOperator)
		}
	}
	return o
}

// validation notes what Validate found, unless a fault of the same field says it already.
func (w *walker) validation(root *yaml.Node, e *field.Error) {
	if slices.ContainsFunc(w.bad, func(bad string) bool { return covers(bad, e) }) {
		return
	}
	w.faultAt(placeOf(root, e), e.Field, "%s", Message(e))
	w.bad = w.bad[:len(w.bad)-1] // there may be more to say of it
}

// placeOf an error: its field, or the key or value of it that is wrong, where Kubernetes' rules for labels name no more than the whole.
func placeOf(root *yaml.Node, e *field.Error) *yaml.Node {
	bad, isText := e.BadValue.(string)
	if n := valueAt(root, e.Field); isText && n != nil && n.Kind == yaml.MappingNode {
		for _, c := range n.Content {
			if c = deref(c); c.Kind == yaml.ScalarNode && c.Value == bad {
				return c
			}
		}
	}
	return find(root, e.Field)
}

// covers tells whether a fault in the field bad explains the error e: it is of the same field, of one below it, of the one that
// holds it, or of a reference to it.
func covers(bad string, e *field.Error) bool {
	if bad == e.Field || strings.HasPrefix(e.Field, bad+".") || strings.HasPrefix(e.Field, bad+"[") {
		return true
	}
	if i := strings.LastIndexAny(bad, ".["); i >= 0 && bad[:i] == e.Field {
		return true
	}
	names := strings.HasPrefix(bad, "spec.env") || strings.HasPrefix(bad, "spec.ports")
	return names && strings.Contains(e.Detail, "$(")
}

// Message is what an error of validation says, without its field.
func Message(e *field.Error) string {
	switch e.Type {
	case field.ErrorTypeRequired:
		if e.Detail == "" {
			return "is missing"
		}
		return "is missing: " + e.Detail
	case field.ErrorTypeDuplicate:
		return fmt.Sprintf("%s is there twice", quote(fmt.Sprint(e.BadValue)))
	case field.ErrorTypeForbidden:
		return e.Detail
	case field.ErrorTypeNotSupported:
		return fmt.Sprintf("%s is none of %s", quote(fmt.Sprint(reflect.Indirect(reflect.ValueOf(e.BadValue)))),
			strings.TrimPrefix(e.Detail, "supported values: "))
	case field.ErrorTypeInvalid:
		switch v := e.BadValue.(type) {
		case string:
			return quote(v) + ": " + e.Detail
		case int, int32, int64:
			return fmt.Sprintf("%d: %s", v, e.Detail)
		}
	}
	return e.Detail
}
