package specs

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// KindNamed finds a kind by any of its names, in any case: kind, plural, singular or short, alone or with its group behind a dot.
// It is nil when there is none.
func KindNamed(word string) *Kind {
	word, group, hasGroup := strings.Cut(strings.ToLower(word), ".")
	for _, k := range Kinds {
		if hasGroup && group != k.Group && group != k.Version+"."+k.Group {
			continue
		}
		for _, name := range append([]string{strings.ToLower(k.Kind), k.Plural, k.Singular}, k.ShortNames...) {
			if name == word {
				return k
			}
		}
	}
	return nil
}

// Explain describes a kind or one of its fields, as kubectl explain does: process, or process.spec.env. With recursive it lists the
// fields of fields too, without their descriptions.
func Explain(path string, recursive bool) (string, error) {
	word, rest, _ := strings.Cut(path, ".")
	k := KindNamed(word)
	if k == nil {
		return "", fmt.Errorf("cannot explain %q: no kind has that name%s", word, DidYouMean(word, explainNames()))
	}
	at := &typeField{typ: typeOf(k)}
	text := k.Doc()
	for _, name := range strings.FieldsFunc(rest, func(r rune) bool { return r == '.' }) {
		f, err := at.child(strings.TrimSuffix(name, "[]"))
		if err != nil {
			return "", fmt.Errorf("cannot explain %q: %w", path, err)
		}
		at, text = f, f.doc()
	}
	var b strings.Builder
	if k.Group != "" {
		fmt.Fprintf(&b, "GROUP:      %s\n", k.Group)
	}
	fmt.Fprintf(&b, "KIND:       %s\nVERSION:    %s\n\n", k.Kind, k.Version)
	at.explain(&b, text, recursive)
	return b.String(), nil
}

func explainNames() []string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Singular, k.Plural)
	}
	return names
}

// child finds a field of the struct that a field holds, in a list or map as well.
func (f *typeField) child(name string) (*typeField, error) {
	t := elementType(f.typ)
	if !isObject(t) {
		return nil, fmt.Errorf("%s has no fields", f.name)
	}
	fields := fieldsOf(t)
	if c := fields.byName[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no field %q%s", name, DidYouMean(name, fields.names()))
}

// isObject tells whether a type shows as fields.
func isObject(t reflect.Type) bool { return t.Kind() == reflect.Struct && textForms[t] == nil }

func (f *typeField) explain(b *strings.Builder, text string, recursive bool) {
	t := elementType(f.typ)
	if f.name != "" {
		fmt.Fprintf(b, "FIELD: %s <%s>%s\n\n", f.name, typeName(f.typ), f.mark())
		if values := f.values(); len(values) > 0 {
			fmt.Fprintf(b, "ENUM:\n    %s\n\n", strings.Join(values, "\n    "))
		}
	}
	b.WriteString("DESCRIPTION:\n")
	paragraphs(b, text, "    ")
	if of := docs().types[t.Name()]; isObject(t) && f.name != "" && of != "" && of != text {
		b.WriteString("\n")
		paragraphs(b, of, "    ")
	}
	if !isObject(t) {
		return
	}
	b.WriteString("\nFIELDS:\n")
	writeFields(b, t, "  ", recursive)
}

// values that a field may have, where they are listed.
func (f *typeField) values() []string {
	if v := plainEnums[f.owner.Name()+"."+f.name]; v != nil {
		return v
	}
	return docs().enums[elementType(f.typ).Name()]
}

// mark says that a field must be there.
func (f *typeField) mark() string {
	if f.required() {
		return " -required-"
	}
	return ""
}

func writeFields(b *strings.Builder, t reflect.Type, indent string, recursive bool) {
	for _, f := range fieldsOf(t).list {
		fmt.Fprintf(b, "%s%s\t<%s>%s\n", indent, f.name, typeName(f.typ), f.mark())
		switch e := elementType(f.typ); {
		case !recursive:
			paragraphs(b, f.doc(), indent+"  ")
			b.WriteString("\n")
		case isObject(e):
			writeFields(b, e, indent+"  ", true)
		}
	}
}

// typeName is the type of a field as kubectl explain writes it.
func typeName(t reflect.Type) string {
	t = indirect(t)
	switch t {
	case reflect.TypeFor[map[string]string]():
		return "map[string]string"
	}
	switch form := textForms[t]; {
	case form != nil && form["type"] == nil:
		return map[bool]string{true: "Quantity", false: "IntOrString"}[form["pattern"] != nil]
	case form != nil:
		return t.Name()
	}
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + typeName(t.Elem())
	case reflect.Map:
		return "map[string]" + typeName(t.Elem())
	case reflect.Struct:
		return t.Name()
	case reflect.Bool:
		return "boolean"
	case reflect.Int32, reflect.Int64:
		return "integer"
	}
	return "string"
}

// paragraphs writes a text in lines of at most 80 letters.
func paragraphs(b io.StringWriter, text, indent string) {
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			_, _ = b.WriteString("\n")
		}
		line := ""
		for _, word := range strings.Fields(p) {
			if line != "" && len(indent)+len(line)+1+len(word) > 80 {
				_, _ = b.WriteString(indent + line + "\n")
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		if line != "" {
			_, _ = b.WriteString(indent + line + "\n")
		}
	}
}
