package specs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	k8sjson "sigs.k8s.io/json"
	k8syaml "sigs.k8s.io/yaml"
)

// MaxFileBytes is the largest file that Load reads. A larger one is a fault.
const MaxFileBytes = 10 << 20

// Load reads the documents of a manifest: strictly typed, defaulted and validated, each by itself. It gives every document with
// content, those with faults without an Object, and all faults at once in the order of their places. It never panics, and its
// time is bounded whatever data holds.
func Load(file string, data []byte) ([]*Document, []Fault) {
	if f, bad := unreadable(file, data); bad {
		return nil, []Fault{f}
	}
	var docs []*Document
	var faults []Fault
	for _, p := range split(bytes.TrimPrefix(data, utf8BOM)) {
		d := newDocument(file, p)
		faults = append(faults, d.load()...)
		docs = append(docs, d)
	}
	return docs, faults
}

// load fills the document in. Almost every document of a running stack is good, so the quick way comes first, and only what it
// refuses is looked at again with places.
func (d *Document) load() []Fault {
	if plain(d.Text) {
		if o, err := decodeYAML(d.Text); err == nil {
			Default(o)
			if len(Validate(o)) == 0 {
				d.Kind, d.Name, d.Object = o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), o
				return nil
			}
		}
	}
	return d.examine()
}

// Decode reads one object from JSON as strictly as Load does, without defaults and validation.
func Decode(data []byte) (Object, error) {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	k := KindOf(head.Kind)
	if k == nil || k.GVK().GroupVersion().String() != head.APIVersion {
		return nil, fmt.Errorf("cannot decode kind %q of %q: %s", head.Kind, head.APIVersion, knownKinds())
	}
	o := k.New()
	strict, err := k8sjson.UnmarshalStrict(data, o)
	if err != nil {
		return nil, err
	}
	return o, errors.Join(strict...)
}

// decodeYAML is the quick way. What it takes for good is good; what it refuses may be good all the same.
func decodeYAML(text []byte) (Object, error) {
	data, err := k8syaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	if ambiguous(data) {
		return nil, errAmbiguous
	}
	o, err := Decode(data)
	if err != nil {
		return nil, err
	}
	if kindOfObject(o).OperatorOnly || setsOperatorFields(o) {
		return nil, errAmbiguous
	}
	return o, nil
}

// errAmbiguous sends a document the long way; nobody sees it.
var errAmbiguous = errors.New("only the nodes can tell what this means")
