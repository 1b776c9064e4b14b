package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

// object is an answer of the API whose kind does not matter.
type object = map[string]any

const tableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

// formats that -o takes, with jsonpath=TEMPLATE beside them.
var formats = []string{"wide", "yaml", "json", "name"}

func checkFormat(o string, allowed ...string) error {
	if o == "" || slices.Contains(allowed, o) || strings.HasPrefix(o, "jsonpath=") && slices.Contains(allowed, "name") {
		return nil
	}
	return usageError("-o %q: want one of %s", o, strings.Join(allowed, ", "))
}

// columns prints rows under a header with three spaces between, as kubectl does.
func columns(w io.Writer, header []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	if header != nil {
		fmt.Fprintln(t, strings.Join(header, "\t"))
	}
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	_ = t.Flush()
}

// tableRows turns a server's table into text: the columns to show, and for each row its cells. prefix goes before each name.
func tableRows(t *metav1.Table, wide bool, prefix string) (header []string, rows [][]string) {
	var show []int
	for i, c := range t.ColumnDefinitions {
		if c.Priority == 0 || wide {
			show = append(show, i)
			header = append(header, strings.ToUpper(c.Name))
		}
	}
	for _, r := range t.Rows {
		var row []string
		for _, i := range show {
			row = append(row, cellText(r.Cells, i, prefix))
		}
		rows = append(rows, row)
	}
	return header, rows
}

func cellText(cells []any, i int, prefix string) string {
	if i >= len(cells) || cells[i] == nil {
		return "<none>"
	}
	text := fmt.Sprint(cells[i])
	if f, ok := cells[i].(float64); ok {
		text = fmt.Sprintf("%.0f", f)
	}
	text = strings.ReplaceAll(text, "\n", " ")
	if i == 0 {
		text = prefix + text
	}
	if text == "" {
		return "<none>"
	}
	return text
}

// printObject prints one answer for programs: yaml, json, name or jsonpath=TEMPLATE.
func printObject(w io.Writer, format string, o any) error {
	switch {
	case format == "json":
		b, err := json.MarshalIndent(o, "", "  ")
		if err != nil {
			return fmt.Errorf("cannot print the answer: %v", err)
		}
		_, err = fmt.Fprintf(w, "%s\n", b)
		return err
	case format == "yaml":
		b, err := yaml.Marshal(o)
		if err != nil {
			return fmt.Errorf("cannot print the answer: %v", err)
		}
		_, err = w.Write(b)
		return err
	case format == "name":
		return printNames(w, o)
	}
	return printPath(w, strings.TrimPrefix(format, "jsonpath="), o)
}

func printNames(w io.Writer, o any) error {
	m, _ := o.(object)
	if items, ok := m["items"].([]any); ok {
		for _, i := range items {
			if err := printNames(w, i); err != nil {
				return err
			}
		}
		return nil
	}
	meta, _ := m["metadata"].(object)
	_, err := fmt.Fprintf(w, "%s/%v\n", strings.ToLower(fmt.Sprint(m["kind"])), meta["name"])
	return err
}

func printPath(w io.Writer, template string, o any) error {
	if !strings.Contains(template, "{") {
		template = "{" + template + "}"
	}
	p := jsonpath.New("output").AllowMissingKeys(true)
	if err := p.Parse(template); err != nil {
		return usageError("-o jsonpath=%s: %v", template, err)
	}
	var b bytes.Buffer
	if err := p.Execute(&b, o); err != nil {
		return fmt.Errorf("cannot evaluate jsonpath %s: %v", template, err)
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}
