package specs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	k8sjson "sigs.k8s.io/json"
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
		d := &Document{File: file, Line: p.line, Text: p.text}
		faults = append(faults, d.load()...)
		docs = append(docs, d)
	}
	return docs, faults
}

// Decode reads one object from JSON as strictly as Load does, without defaults and validation.
func Decode(data []byte) (Object, error) {
	k, err := kindOfJSON(data)
	if err != nil {
		return nil, err
	}
	o := k.New()
	strict, err := k8sjson.UnmarshalStrict(data, o)
	if err != nil {
		return nil, err
	}
	return o, errors.Join(strict...)
}

// kindOfJSON finds the kind that an object says it has.
func kindOfJSON(data []byte) (*Kind, error) {
	for _, k := range Kinds { // sorted keys come first, and most objects have them sorted
		if bytes.HasPrefix(data, jsonHeads()[k]) {
			return k, nil
		}
	}
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
	return k, nil
}

// jsonHeads are how the JSON of each kind begins, with sorted keys and no spaces.
var jsonHeads = sync.OnceValue(func() map[*Kind][]byte {
	heads := map[*Kind][]byte{}
	for _, k := range Kinds {
		heads[k] = fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,"metadata":{`, k.GVK().GroupVersion().String(), k.Kind)
	}
	return heads
})
