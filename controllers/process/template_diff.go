package process

import (
	"reflect"
	"slices"

	"mirroros.dev/mirroros/specs"
)

// templateChanges names the fields of the template that differ; variables and ports by their names, values never.
func templateChanges(a, b *specs.ProcessSpec) []string {
	out := []string{}
	for _, f := range []struct {
		name string
		same bool
	}{
		{"version", a.Version == b.Version},
		{"command", slices.Equal(a.Command, b.Command)},
		{"args", slices.Equal(a.Args, b.Args)},
		{"workingDir", a.WorkingDir == b.WorkingDir},
		{"envFrom", reflect.DeepEqual(a.EnvFrom, b.EnvFrom)},
		{"user", a.User == b.User},
		{"group", a.Group == b.Group},
		{"sandbox", reflect.DeepEqual(a.Sandbox, b.Sandbox)},
	} {
		if !f.same {
			out = append(out, f.name)
		}
	}
	out = appendChanges(out, "env", a.Env, b.Env, func(e specs.EnvVar) string { return e.Name })
	return appendChanges(out, "ports", a.Ports, b.Ports, func(p specs.ProcessPort) string { return p.Name })
}

// appendChanges names the elements of a list that were added, removed or changed; the list itself when only their order did.
func appendChanges[T any](out []string, field string, a, b []T, name func(T) string) []string {
	if reflect.DeepEqual(a, b) || len(a)+len(b) == 0 {
		return out
	}
	before, n := make(map[string]T, len(a)), len(out)
	for _, e := range a {
		before[name(e)] = e
	}
	for _, e := range b {
		if old, ok := before[name(e)]; !ok || !reflect.DeepEqual(old, e) {
			out = append(out, field+"."+name(e))
		}
		delete(before, name(e))
	}
	for _, e := range a {
		if _, gone := before[name(e)]; gone {
			out = append(out, field+"."+name(e))
		}
	}
	if len(out) == n {
		out = append(out, field)
	}
	return out
}
