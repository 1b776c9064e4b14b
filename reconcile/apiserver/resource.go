package apiserver

import (
	"reflect"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"mirroros.dev/mirroros/specs"
)

// resource is a kind as it is served at one path. Most kinds are served once; Events are served in two groups.
type resource struct {
	kind *specs.Kind
	// group and version it is served in.
	group, version string
	// static objects instead of those in the store.
	static []specs.Object
	// view is an object as this group shows it; nil shows it as it is.
	view func(specs.Object) any
	// fields of field selectors, to the path in the object where it is another.
	fields map[string]string
	// writable kinds may be created, changed and deleted.
	writable bool
	// hasStatus and hasScale: it has these subresources.
	hasStatus, hasScale bool
}

// newResources makes the list of everything that is served, in the order of discovery.
func newResources() []*resource {
	out := []*resource{namespaces()}
	for _, k := range specs.Kinds {
		r := &resource{kind: k, group: k.Group, version: k.Version, writable: !k.OperatorOnly, fields: map[string]string{}}
		t := reflect.TypeOf(k.New()).Elem()
		_, r.hasStatus = t.FieldByName("Status")
		r.hasScale = t == reflect.TypeFor[specs.Process]()
		for _, f := range k.FieldSelectors {
			r.fields[f] = f
		}
		if k.Kind == "Event" {
			r.fields["source"] = "source.component"
		}
		out = append(out, r)
		if k.Kind == "Event" {
			out = append(out, newerEvents(r))
		}
	}
	return out
}

func (r *resource) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.group, Version: r.version, Kind: r.kind.Kind}
}

func (r *resource) groupVersion() string { return r.gvk().GroupVersion().String() }

func (r *resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.group, Resource: r.kind.Plural}
}

// root is the path of the group.
func (r *resource) root() string { return rootOf(r.group, r.version) }

func rootOf(group, version string) string {
	if group == "" {
		return "/api/" + version
	}
	return "/apis/" + group + "/" + version
}

// paths where the objects are: for a namespaced kind those of one namespace, and of all.
func (r *resource) path() string {
	if r.kind.Namespaced {
		return r.root() + "/namespaces/{namespace}/" + r.kind.Plural
	}
	return r.root() + "/" + r.kind.Plural
}

// verbs as discovery names them.
func (r *resource) verbs() []string {
	if !r.writable {
		return []string{"get", "list", "watch"}
	}
	return []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
}

// encode writes an object as JSON, as this resource shows it.
func (r *resource) encode(b *jsonBuffer, o specs.Object) error {
	if r.view != nil {
		return b.value(r.view(o))
	}
	if o.GetObjectKind().GroupVersionKind().Kind == "" {
		o = specs.Copy(o)
		specs.Default(o)
	}
	return b.value(o)
}

// clearStatus empties the status, which no client writes.
func clearStatus(o specs.Object) {
	if f := reflect.ValueOf(o).Elem().FieldByName("Status"); f.IsValid() {
		f.SetZero()
	}
}
