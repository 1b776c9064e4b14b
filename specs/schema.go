package specs

import (
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Schema is the OpenAPI v3 schema of a kind: whole, without references, from the Go types and their comments. It is nil for an
// unknown kind. It is made once and shared: the caller must not change it.
func Schema(kind string) map[string]any { return openAPISchemas.get(kind) }

// JSONSchema is the schema of a kind's manifests for editors: it refuses unknown fields, and those that only the operator writes.
// It is nil for a kind that has no manifests. It is made once and shared: the caller must not change it.
func JSONSchema(kind string) map[string]any { return editorSchemas.get(kind) }

// ManifestSchema is the schema of any manifest, for editors: one of the kinds.
func ManifestSchema() map[string]any {
	var kinds []any
	for _, k := range kindNames() {
		kinds = append(kinds, JSONSchema(k))
	}
	return map[string]any{"$schema": jsonSchemaVersion, "oneOf": kinds}
}

const jsonSchemaVersion = "http://json-schema.org/draft-07/schema#"

// schemaCache makes the schema of each kind once.
type schemaCache struct {
	build func(*Kind) map[string]any
	mu    sync.Mutex
	made  map[string]map[string]any // by kind; guarded by mu
}

func (c *schemaCache) get(kind string) map[string]any {
	k := KindOf(kind)
	if k == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil {
		c.made = map[string]map[string]any{}
	}
	if c.made[kind] == nil {
		c.made[kind] = c.build(k)
	}
	return c.made[kind]
}

var openAPISchemas = schemaCache{build: func(k *Kind) map[string]any {
	s := schemaOf(indirect(typeOf(k)), false)
	s["description"] = k.Doc()
	s["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": k.Group, "version": k.Version, "kind": k.Kind}}
	return s
}}

var editorSchemas = schemaCache{build: func(k *Kind) map[string]any {
	if !k.Declarable() {
		return nil
	}
	s := schemaOf(indirect(typeOf(k)), true)
	p := s["properties"].(map[string]any)
	delete(p, "status")
	meta := p["metadata"].(map[string]any)
	for name := range meta["properties"].(map[string]any) {
		if operatorFields[name] != "" {
			delete(meta["properties"].(map[string]any), name)
		}
	}
	meta["required"] = []any{"name"}
	p["apiVersion"].(map[string]any)["enum"] = []any{k.GVK().GroupVersion().String()}
	p["kind"].(map[string]any)["enum"] = []any{k.Kind}
	s["required"] = []any{"apiVersion", "kind", "metadata"}
	if f := fieldsOf(indirect(typeOf(k))).byName["spec"]; f != nil && !f.optional {
		s["required"] = append(s["required"].([]any), "spec")
	}
	s["$schema"], s["title"], s["description"] = jsonSchemaVersion, k.Kind, k.Doc()
	return s
}}

// Doc is what the kind is for, from the comment of its type.
func (k *Kind) Doc() string { return docs().types[indirect(typeOf(k)).Name()] }

// textForms are the schemas of types with a text form of their own.
var textForms = map[reflect.Type]map[string]any{
	reflect.TypeFor[metav1.Duration]():  {"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`},
	reflect.TypeFor[metav1.Time]():      {"type": "string", "format": "date-time"},
	reflect.TypeFor[metav1.MicroTime](): {"type": "string", "format": "date-time"},
	reflect.TypeFor[metav1.FieldsV1]():  {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
	reflect.TypeFor[intstr.IntOrString](): {"x-kubernetes-int-or-string": true,
		"anyOf": []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}}},
	reflect.TypeFor[resource.Quantity](): {"x-kubernetes-int-or-string": true,
		"anyOf":   []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}},
		"pattern": `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`},
}

// schemaOf a type; strict is for editors.
func schemaOf(t reflect.Type, strict bool) map[string]any {
	if form, ok := textForms[t]; ok {
		s := map[string]any{}
		for k, v := range form {
			if !strict || k != "x-kubernetes-int-or-string" {
				s[k] = v
			}
		}
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), strict)
	case reflect.Struct:
		return structSchema(t, strict)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), strict), "x-kubernetes-list-type": "atomic"}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), strict)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer", "format": t.Kind().String()}
	}
	s := map[string]any{"type": "string"}
	if values := docs().enums[t.Name()]; len(values) > 0 {
		s["enum"] = anys(values)
	}
	return s
}

// plainEnums are the values of string fields that have no type of their own.
var plainEnums = map[string][]string{"HTTPGetAction.scheme": {"HTTP", "HTTPS"}}

func structSchema(t reflect.Type, strict bool) map[string]any {
	properties := map[string]any{}
	var required []any
	for _, f := range fieldsOf(t).list {
		s := schemaOf(f.typ, strict)
		if d := f.doc(); d != "" {
			s["description"] = d
		}
		if values := plainEnums[t.Name()+"."+f.name]; values != nil {
			s["enum"] = anys(values)
		}
		properties[f.name] = s
		if f.required() {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	if strict {
		s["additionalProperties"] = false
	}
	return s
}

// required tells whether a manifest must have the field. Nobody is to write a status, so nothing in one is required.
func (f *typeField) required() bool {
	return !f.optional && f.typ.Kind() != reflect.Pointer && !statusTypes()[f.owner] || f.name == "file" && f.owner == reflect.TypeFor[EnvFromSource]()
}

// statusTypes are the types that only statuses are made of.
var statusTypes = sync.OnceValue(func() map[reflect.Type]bool {
	status, declared := map[reflect.Type]bool{}, map[reflect.Type]bool{}
	for _, k := range Kinds {
		for _, f := range fieldsOf(indirect(typeOf(k))).list {
			if f.name == "status" {
				collect(f.typ, status)
			} else {
				collect(f.typ, declared)
			}
		}
	}
	for t := range declared {
		delete(status, t)
	}
	return status
})

// collect gathers the struct types below a type.
func collect(t reflect.Type, into map[reflect.Type]bool) {
	if t = elementType(t); !isObject(t) || into[t] {
		return
	}
	into[t] = true
	for _, f := range fieldsOf(t).list {
		collect(f.typ, into)
	}
}

func anys(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
