package apiserver

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"mirroros.dev/mirroros/specs"
)

// columns of a table of the kind.
func (r *resource) columns() []metav1.TableColumnDefinition {
	out := make([]metav1.TableColumnDefinition, len(r.kind.Columns))
	for i, c := range r.kind.Columns {
		out[i] = metav1.TableColumnDefinition{Name: c.Name, Type: c.Type, Description: c.Description}
		if c.Wide {
			out[i].Priority = 1
		}
		if i == 0 && c.Name == "Name" {
			out[i].Format = "name"
		}
	}
	return out
}

// tableOf writes a table of one row.
func (e *encoder) tableOf(b *jsonBuffer, o specs.Object, columns bool) error {
	head := []metav1.TableColumnDefinition{}
	if columns {
		head = e.resource.columns()
	}
	fmt.Fprintf(b, `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":%q},"columnDefinitions":`, o.GetResourceVersion())
	if err := b.value(head); err != nil {
		return err
	}
	b.WriteString(`,"rows":[`)
	if err := e.row(b, o); err != nil {
		return err
	}
	b.WriteString("]}")
	return nil
}

// row writes an object as a row of a table.
func (e *encoder) row(b *jsonBuffer, o specs.Object) error {
	b.WriteString(`{"cells":[`)
	for i, c := range e.resource.kind.Columns {
		v := c.Value(o)
		if c.Type == "date" {
			v = e.age(v)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if err := b.value(v); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	if err := e.rowObject(b, o); err != nil {
		return err
	}
	b.WriteByte('}')
	return nil
}

// rowObject writes what the request wants of the object beside the cells.
func (e *encoder) rowObject(b *jsonBuffer, o specs.Object) error {
	switch metav1.IncludeObjectPolicy(e.include) {
	case metav1.IncludeNone:
		return nil
	case metav1.IncludeObject:
		b.WriteString(`,"object":`)
		return e.resource.encode(b, o)
	}
	b.WriteString(`,"object":`)
	p := partial(o)
	p.ManagedFields = nil // nobody prints them in a table
	return b.value(p)
}

// age is a date as tables show it: how long ago it was.
func (e *encoder) age(v any) any {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "<unknown>"
	}
	return duration.HumanDuration(e.now.Sub(t))
}
