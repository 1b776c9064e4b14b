package plan

import (
	"encoding/json"
	"reflect"
	"strconv"

	"mirroros.dev/mirroros/specs"
)

// plain is what an owner declares of an object, as JSON values.
func plain(o specs.Object) map[string]any {
	var m struct {
		Spec     map[string]any `json:"spec"`
		Metadata struct {
			Labels      map[string]any `json:"labels"`
			Annotations map[string]any `json:"annotations"`
		} `json:"metadata"`
	}
	if data, err := json.Marshal(o); err != nil || json.Unmarshal(data, &m) != nil {
		return nil
	}
	out := m.Spec
	if out == nil {
		out = map[string]any{}
	}
	for name, part := range map[string]map[string]any{"labels": m.Metadata.Labels, "annotations": m.Metadata.Annotations} {
		delete(part, specs.LabelStack)
		if len(part) > 0 {
			out[name] = part
		}
	}
	return out
}

// diff gathers the paths at which two values differ.
func diff(path string, a, b any, out *[]string) {
	if reflect.DeepEqual(a, b) {
		return
	}
	if am, ok := a.(map[string]any); ok || a == nil {
		if bm, ok := b.(map[string]any); ok || b == nil && am != nil {
			diffMaps(path, am, bm, out)
			return
		}
	}
	am, aok := byName(a)
	bm, bok := byName(b)
	if aok && bok {
		n := len(*out)
		diffMaps(path, am, bm, out)
		if len(*out) > n {
			return
		}
	}
	*out = append(*out, path)
}

// diffMaps goes into what both have; what only one has is named as a whole.
func diffMaps(path string, a, b map[string]any, out *[]string) {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	for k := range keys {
		at := k
		if path != "" {
			at = path + "." + k
		}
		av, bv := a[k], b[k]
		switch {
		case av == nil || bv == nil || entry(av) != entry(bv):
			if !reflect.DeepEqual(av, bv) {
				named(at, av, bv, out)
			}
		case entry(av):
			if !reflect.DeepEqual(av, bv) {
				*out = append(*out, at)
			}
		default:
			diff(at, av, bv, out)
		}
	}
}

// named names what only one side has; the entries of a list that has names, one by one.
func named(at string, a, b any, out *[]string) {
	am, aok := byName(a)
	bm, bok := byName(b)
	if (aok || a == nil) && (bok || b == nil) && len(am)+len(bm) > 0 {
		diffMaps(at, am, bm, out)
		return
	}
	*out = append(*out, at)
}

// listEntry marks an entry of a list with names: it changes as a whole.
type listEntry map[string]any

func entry(v any) bool {
	_, ok := v.(listEntry)
	return ok
}

// byName is a list as a map by the name or path of its entries, when all have one and no two the same.
func byName(v any) (map[string]any, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	m := make(map[string]any, len(list))
	for _, e := range list {
		em, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		name := ""
		for _, field := range []string{"name", "path", "process"} {
			if s, ok := em[field].(string); ok && name == "" {
				name = s
			}
		}
		if _, twice := m[name]; name == "" || twice {
			return nil, false
		}
		m[name] = listEntry(em)
	}
	return m, len(m) > 0
}

// position writes "1 of 2".
func position(i, n int) string { return strconv.Itoa(i) + " of " + strconv.Itoa(n) }
