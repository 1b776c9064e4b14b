package specs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SpecEqual tells whether two objects of one kind declare the same. Quantities and times are compared by what they mean, and an empty
// list is the same as none. A kind without a spec is compared whole, but for its metadata.
func SpecEqual(a, b Object) bool {
	va, vb := reflect.Indirect(reflect.ValueOf(a)), reflect.Indirect(reflect.ValueOf(b))
	if va.Type() != vb.Type() {
		return false
	}
	if sa := va.FieldByName("Spec"); sa.IsValid() {
		return equality.Semantic.DeepEqual(sa.Interface(), vb.FieldByName("Spec").Interface())
	}
	for i := range va.NumField() {
		switch va.Type().Field(i).Type {
		case reflect.TypeFor[metav1.TypeMeta](), reflect.TypeFor[metav1.ObjectMeta]():
			continue
		}
		if !equality.Semantic.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			return false
		}
	}
	return true
}

// Marshal writes an object as JSON: fields in the order of the Go type, keys of maps sorted, apiVersion and kind always there.
// The same object gives the same bytes.
func Marshal(o Object) ([]byte, error) {
	if o.GetObjectKind().GroupVersionKind().Kind == "" {
		o = Copy(o)
		setType(o)
	}
	data, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("cannot write %T %q as JSON: %w", o, o.GetName(), err)
	}
	return data, nil
}

// DeclaredConflicts gives the paths of fields that a file declares and that a write would change: the fields of declared whose value
// in after is another than in before, and not the declared one. Lists count as one field. The paths are sorted.
func DeclaredConflicts(declared map[string]any, before, after Object) []string {
	b, errB := toMap(before)
	a, errA := toMap(after)
	if errA != nil || errB != nil {
		return []string{"spec"}
	}
	var paths []string
	for _, part := range []string{"metadata", "spec"} {
		if d, ok := declared[part].(map[string]any); ok {
			conflicts(part, d, asMap(b[part]), asMap(a[part]), &paths)
		}
	}
	slices.Sort(paths)
	return paths
}

func conflicts(path string, declared, before, after map[string]any, paths *[]string) {
	for key, d := range declared {
		at := joinPath(path, key)
		if d == nil {
			continue // an empty field declares nothing
		}
		if m, ok := d.(map[string]any); ok {
			conflicts(at, m, asMap(before[key]), asMap(after[key]), paths)
			continue
		}
		if !reflect.DeepEqual(before[key], after[key]) && !sameJSON(d, after[key]) {
			*paths = append(*paths, at)
		}
	}
}

// joinPath appends a key as field paths write it: in brackets when it is no plain name.
func joinPath(path, key string) string {
	if strings.ContainsAny(key, ".[]/") {
		return path + "[" + key + "]"
	}
	return path + "." + key
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }

// toMap is the object as plain JSON values, numbers as float64.
func toMap(o Object) (map[string]any, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}

// sameJSON compares values that may hold numbers as int64 or as float64.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
