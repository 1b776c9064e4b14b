package apiserver

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"mirroros.dev/mirroros/specs"
)

// selector picks objects by namespace, labels and fields.
type selector struct {
	namespace, name string
	labels          labels.Selector
	fields          []fieldRequirement
}

// fieldRequirement is that a field has a value, or has not.
type fieldRequirement struct {
	path  []string
	value string
	equal bool
}

// selector reads the selectors of a request.
func (r *request) selector() (*selector, error) {
	s := &selector{namespace: r.namespace}
	var err error
	if s.labels, err = labels.Parse(r.query.Get("labelSelector")); err != nil {
		return nil, badRequest("cannot read labelSelector: %v", err)
	}
	parsed, err := fields.ParseSelector(r.query.Get("fieldSelector"))
	if err != nil {
		return nil, badRequest("cannot read fieldSelector: %v", err)
	}
	for _, q := range parsed.Requirements() {
		equal := q.Operator != selection.NotEquals
		path, ok := r.resource.fields[q.Field]
		switch {
		case q.Field == "metadata.name" && equal:
			if s.name != "" && s.name != q.Value {
				s.name = "\x00" // no object has two names
			} else {
				s.name = q.Value
			}
			continue
		case q.Field == "metadata.name", q.Field == "metadata.namespace":
			path = q.Field
		case !ok:
			return nil, badRequest("field selector %q is not supported for %s: %s", q.Field, r.resource.kind.Plural, r.resource.fieldNames())
		}
		s.fields = append(s.fields, fieldRequirement{strings.Split(path, "."), q.Value, equal})
	}
	return s, nil
}

func (r *resource) fieldNames() string {
	names := []string{"metadata.name", "metadata.namespace"}
	for f := range r.fields {
		names = append(names, f)
	}
	slices.Sort(names)
	return "use one of " + strings.Join(names, ", ")
}

// everything tells whether it picks all objects of the namespace.
func (s *selector) everything() bool { return s.name == "" && s.labels.Empty() && len(s.fields) == 0 }

func (s *selector) matches(o specs.Object) bool {
	if s.namespace != "" && o.GetNamespace() != s.namespace || s.name != "" && o.GetName() != s.name {
		return false
	}
	if !s.labels.Empty() && !s.labels.Matches(labels.Set(o.GetLabels())) {
		return false
	}
	for _, f := range s.fields {
		if (textAt(reflect.ValueOf(o), f.path) == f.value) != f.equal {
			return false
		}
	}
	return true
}

// textAt is the value at a path of JSON names, as text; empty when it is not there.
func textAt(v reflect.Value, path []string) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if len(path) > 0 {
		if v.Kind() != reflect.Struct {
			return ""
		}
		return textAt(fieldNamed(v, path[0]), path[1:])
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Invalid:
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// fieldNamed is the field of a JSON name; the zero Value when there is none.
func fieldNamed(v reflect.Value, name string) reflect.Value {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}
