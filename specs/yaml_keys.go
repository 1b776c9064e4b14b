package specs

import (
	"bytes"
	"encoding/json"
	"reflect"

	k8sjson "sigs.k8s.io/json"
	k8syaml "sigs.k8s.io/yaml"
)

// YAML reads the key on as true, and one field of this API has that name. asTrue is what such a key becomes in JSON.
const (
	onField = "on"
	asTrue  = "true"
)

// YAMLToJSON makes JSON of one document. Keys that repeat are an error, and a key that is the name of a field of the document's kind is
// that name, whatever YAML reads it as.
func YAMLToJSON(text []byte) ([]byte, error) {
	data, err := k8syaml.YAMLToJSONStrict(text)
	if err != nil || !bytes.Contains(data, []byte(`"`+asTrue+`":`)) {
		return data, err
	}
	m := map[string]any{}
	if err := k8sjson.UnmarshalCaseSensitivePreserveInts(data, &m); err != nil {
		return data, nil // it is no mapping, which the reader of the JSON tells better
	}
	nameFields(m)
	return json.Marshal(m)
}

// nameFields gives the fields of a document's kind their names back.
func nameFields(document map[string]any) {
	name, _ := document["kind"].(string)
	if k := KindOf(name); k != nil {
		nameFieldsOf(indirect(typeOf(k)), document)
	}
}

func nameFieldsOf(t reflect.Type, value any) {
	switch v := value.(type) {
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return // labels and the like: a key is a key
		}
		fields := fieldsOf(t)
		if read, there := v[asTrue]; there && fields.has(onField) && v[onField] == nil {
			delete(v, asTrue)
			v[onField] = read
		}
		for name, below := range v {
			if f := fields.byName[name]; f != nil {
				nameFieldsOf(indirect(f.typ), below)
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for _, item := range v {
				nameFieldsOf(indirect(t.Elem()), item)
			}
		}
	}
}
