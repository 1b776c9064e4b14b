package specs

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// typeField is a field of a type as JSON shows it.
type typeField struct {
	name     string // in JSON
	goName   string
	owner    reflect.Type // the struct that declares it: an inlined one where it comes from there
	typ      reflect.Type
	index    []int // for FieldByIndex
	optional bool  // left out when empty
}

// typeFields are a struct's fields, with those of inlined structs in their place.
type typeFields struct {
	list   []typeField
	byName map[string]*typeField
}

var fieldCache sync.Map // reflect.Type to *typeFields

func fieldsOf(t reflect.Type) *typeFields {
	if f, ok := fieldCache.Load(t); ok {
		return f.(*typeFields)
	}
	f := &typeFields{list: listFields(t), byName: map[string]*typeField{}}
	for i := range f.list {
		f.byName[f.list[i].name] = &f.list[i]
	}
	fieldCache.Store(t, f)
	return f
}

func listFields(t reflect.Type, at ...int) []typeField {
	var list []typeField
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(at), i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case name == "-" || !sf.IsExported():
		case sf.Anonymous && name == "":
			list = append(list, listFields(sf.Type, index...)...)
		default:
			if name == "" {
				name = sf.Name
			}
			optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
			list = append(list, typeField{name, sf.Name, t, sf.Type, index, optional})
		}
	}
	return list
}

// has tells whether there is a field of this name.
func (f *typeFields) has(name string) bool { return f.byName[name] != nil }

// indirect is what a pointer type points to.
func indirect(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// names of the fields.
func (f *typeFields) names() []string {
	out := make([]string, len(f.list))
	for i, tf := range f.list {
		out[i] = tf.name
	}
	return out
}
