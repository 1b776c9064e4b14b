package proxy

import (
	"slices"
	"strconv"

	"mirroros.dev/mirroros/controllers/gate/proxy/strict"
)

// text is a string of a request or an answer.
type text struct {
	strict.Value
	// of names the text that the string is a piece of: the names that it is below, with the index of each object that has one. The pieces of
	// a text in a stream have the same.
	of string
	// said tells that it is what somebody says or a tool is told, and no name, kind or number of something.
	said bool
	// aside tells that it is said, but not to the one who asked: what a model thinks, or tells a tool.
	aside bool
}

// saying are the members whose strings, at any depth, are said: in messages, prompts, calls of tools and answers of all dialects.
var saying = []string{"content", "text", "arguments", "prompt", "input", "instructions", "system", "output", "partial_json", "reasoning_content",
	"thinking", "refusal", "delta"}

// naming are the members within these whose strings are not.
var naming = []string{"type", "role", "id", "name", "model", "object", "tool_call_id", "tool_use_id", "call_id", "media_type", "status",
	"finish_reason", "stop_reason", "signature", "service_tier"}

// aside are the members of saying that are not said to the one who asked.
var aside = []string{"reasoning_content", "thinking", "arguments", "partial_json", "input"}

// textsOf gives the strings of a JSON value but for the name of the model.
func textsOf(v strict.Value) ([]text, error) {
	w := &textWalk{}
	err := w.walk(v, "", false, "")
	return w.found, err
}

type textWalk struct{ found []text }

// walk goes through a value that is below the names of path; said tells that what is in it is said, name is the member that it is.
func (w *textWalk) walk(v strict.Value, path string, said bool, name string) error {
	switch {
	case v.IsString():
		if name != "model" || path != "/model" {
			w.found = append(w.found, text{Value: v, of: path, said: said && !slices.Contains(naming, name),
				aside: slices.Contains(aside, name)})
		}
	case v.IsArray():
		n := -1
		return v.Items(func(item strict.Value) error {
			n++
			at := path
			if !item.IsObject() || indexOfObject(item) == "" {
				at += "/" + strconv.Itoa(n)
			}
			return w.walk(item, at, said, name)
		})
	case v.IsObject():
		if i := indexOfObject(v); i != "" {
			path += "/" + i
		}
		return v.Members(func(name string, value strict.Value) error {
			return w.walk(value, path+"/"+name, said || slices.Contains(saying, name), name)
		})
	}
	return nil
}

// indexOfObject is what an object says of its own place, as pieces of streams do.
func indexOfObject(v strict.Value) (index string) {
	_ = v.Fields([]string{"index"}, func(_ string, value strict.Value) error {
		if _, err := value.Count(); err == nil {
			index = string(value.Raw)
		}
		return nil
	})
	return index
}
