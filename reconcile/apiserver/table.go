package apiserver

import (
	"encoding/json"
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

// tableOf is a table of one row.
func (e *encoder) tableOf(o specs.Object, columns bool) ([]byte, error) {
	row, err := e.row(o)
	if err != nil {
		return nil, err
	}
	t := struct {
		metav1.TypeMeta   `json:",inline"`
		Metadata          metav1.ListMeta                `json:"metadata"`
		ColumnDefinitions []metav1.TableColumnDefinition `json:"columnDefinitions"`
		Rows              []json.RawMessage              `json:"rows"`
	}{metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"}, metav1.ListMeta{ResourceVersion: o.GetResourceVersion()},
		[]metav1.TableColumnDefinition{}, []json.RawMessage{row}}
	if columns {
		t.ColumnDefinitions = e.resource.columns()
	}
	return json.Marshal(t)
}

// row is an object as a row of a table.
func (e *encoder) row(o specs.Object) ([]byte, error) {
	row := struct {
		Cells  []any           `json:"cells"`
		Object json.RawMessage `json:"object,omitempty"`
	}{Cells: make([]any, len(e.resource.kind.Columns))}
	for i, c := range e.resource.kind.Columns {
		v := c.Value(o)
		if c.Type == "date" {
			v = e.age(v)
		}
		row.Cells[i] = v
	}
	var err error
	switch metav1.IncludeObjectPolicy(e.include) {
	case metav1.IncludeNone:
	case metav1.IncludeObject:
		row.Object, err = e.resource.encode(o)
	default:
		p := partial(o)
		p.ManagedFields = nil // nobody prints them in a table
		row.Object, err = json.Marshal(p)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(row)
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
