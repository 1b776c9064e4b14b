package mcp

import (
	"bytes"
	"fmt"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// What has a name in a list.
const (
	Tool     = "tool"
	Resource = "resource"
	Template = "template" // of resources; its name is the URI template
	Prompt   = "prompt"
)

// Allowed tells whether the caller may use what a list names.
type Allowed func(kind, name string) bool

// listed are the lists that a result may have, by field, and the field that names an item.
var listed = map[string]struct{ kind, name string }{
	"tools":             {Tool, "name"},
	"resources":         {Resource, "uri"},
	"resourceTemplates": {Template, "uriTemplate"},
	"prompts":           {Prompt, "name"},
}

var listFields = []string{"tools", "resources", "resourceTemplates", "prompts"}

// Filter takes out of an answer of a server what the caller may not use, and says how much that was. What is not taken out stays byte for
// byte. It goes by the form of the answer and not by what was asked: a stream that is taken up again may bring any answer. An answer that
// it cannot read strictly is an error, and must not go on.
func Filter(answer []byte, allowed Allowed) (out []byte, dropped int, err error) {
	v, err := strict.Check(answer)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the server's answer: %w", err)
	}
	var edits []strict.Edit
	if v.IsArray() {
		err = v.Items(func(v strict.Value) error { return filterMessage(v, allowed, &edits, &dropped) })
	} else {
		err = filterMessage(v, allowed, &edits, &dropped)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the server's answer: %w", err)
	}
	return strict.Apply(answer, edits), dropped, nil
}

func filterMessage(v strict.Value, allowed Allowed, edits *[]strict.Edit, dropped *int) error {
	if !v.IsObject() {
		return nil
	}
	return v.Fields([]string{"result"}, func(_ string, result strict.Value) error {
		if !result.IsObject() {
			return nil
		}
		return result.Fields(listFields, func(field string, list strict.Value) error {
			if !list.IsArray() {
				return nil
			}
			kept, n, err := filterItems(list, field, allowed)
			if err != nil || n == 0 {
				return err
			}
			*dropped += n
			*edits = append(*edits, list.Replace(field, kept))
			return nil
		})
	})
}

// filterItems gives the array of those items that the caller may use. An item without a name is dropped.
func filterItems(list strict.Value, field string, allowed Allowed) (kept []byte, dropped int, err error) {
	var items [][]byte
	by := listed[field]
	err = list.Items(func(item strict.Value) error {
		if !item.IsObject() {
			dropped++
			return nil
		}
		name := ""
		if err := item.Fields([]string{by.name}, func(_ string, v strict.Value) error {
			var err error
			name, err = v.Text()
			return err
		}); err != nil {
			return err
		}
		if name == "" || !allowed(by.kind, name) {
			dropped++
			return nil
		}
		items = append(items, item.Raw)
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return append(append([]byte("["), bytes.Join(items, []byte(","))...), ']'), dropped, nil
}
