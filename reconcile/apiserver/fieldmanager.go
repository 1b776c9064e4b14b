package apiserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"mirroros.dev/mirroros/specs"
)

// fieldManagers keep managedFields of one kind: of the object, and of its scale.
type fieldManagers struct{ object, scale *managedfields.FieldManager }

// beforeFirstApply is the manager that apimachinery makes up for all that was there before the first apply.
const beforeFirstApply = "before-first-apply"

// allFieldManagers are those of all writable kinds. They take a few milliseconds to make, so that is done with the first write.
var allFieldManagers = sync.OnceValues(newFieldManagers)

func newFieldManagers() (map[string]*fieldManagers, error) {
	models := map[string]*spec.Schema{}
	for _, k := range specs.Kinds {
		b, err := json.Marshal(specs.Schema(k.Kind))
		if err != nil {
			return nil, fmt.Errorf("cannot read the schema of %s: %w", k.Kind, err)
		}
		s := &spec.Schema{}
		if err := json.Unmarshal(b, s); err != nil {
			return nil, fmt.Errorf("cannot read the schema of %s: %w", k.Kind, err)
		}
		models[schemaName(k.GVK())] = s
	}
	types, err := managedfields.NewTypeConverter(models, false)
	if err != nil {
		return nil, fmt.Errorf("cannot read the schemas: %w", err)
	}
	out := map[string]*fieldManagers{}
	for _, k := range specs.Kinds {
		if k.OperatorOnly {
			continue
		}
		m := &fieldManagers{}
		if m.object, err = newFieldManager(types, k, ""); err == nil {
			m.scale, err = newFieldManager(types, k, "scale")
		}
		if err != nil {
			return nil, fmt.Errorf("cannot make a field manager of %s: %w", k.Kind, err)
		}
		out[k.Kind] = m
	}
	return out, nil
}

func newFieldManager(types managedfields.TypeConverter, k *specs.Kind, subresource string) (*managedfields.FieldManager, error) {
	gv := k.GVK().GroupVersion()
	ignored := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	reset := map[fieldpath.APIVersion]fieldpath.Filter{fieldpath.APIVersion(gv.String()): fieldpath.NewExcludeSetFilter(ignored)}
	return managedfields.NewDefaultCRDFieldManager(types, oneVersion{}, oneVersion{}, oneVersion{}, k.GVK(), gv, subresource, reset)
}

// managedBy answers the field manager for a request.
func managedBy(r *request, scale bool) (*managedfields.FieldManager, error) {
	all, err := allFieldManagers()
	if err != nil {
		return nil, err
	}
	m := all[r.resource.kind.Kind]
	if scale {
		return m.scale, nil
	}
	return m.object, nil
}

// track writes into next who set what changed since live; live is nil when it is new. What cannot be tracked is written all the same.
func (s *Server) track(r *request, live, next specs.Object, scale bool) error {
	fm, err := managedBy(r, scale)
	if err != nil {
		return err
	}
	if m := next.GetManagedFields(); m != nil && len(m) == 0 {
		next.SetManagedFields([]metav1.ManagedFieldsEntry{{}}) // the wish to begin anew, which would be lost as an empty list
	}
	was, err := oneVersion{}.New(r.resource.gvk())
	if err == nil && live != nil {
		was, err = toUnstructured(live)
	}
	if err != nil {
		return err
	}
	is, err := toUnstructured(next)
	if err != nil {
		return err
	}
	out, err := fm.Update(was, is, r.managerOrAgent())
	if err != nil {
		s.o.Log.V(1).Info("cannot track fields", "kind", r.resource.kind.Kind, "name", next.GetName(), "error", err.Error())
		if next.SetManagedFields(nil); live != nil {
			next.SetManagedFields(live.GetManagedFields())
		}
		return nil
	}
	next.SetManagedFields(out.(*unstructured.Unstructured).GetManagedFields())
	return nil
}

// dropMadeUp takes out the manager of what was there before: of a Stack's object that is the Stack, which is no manager.
func dropMadeUp(o specs.Object) {
	o.SetManagedFields(slices.DeleteFunc(slices.Clone(o.GetManagedFields()), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == beforeFirstApply
	}))
}

func toUnstructured(o specs.Object) (*unstructured.Unstructured, error) {
	b, err := specs.Marshal(o)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	return u, kjson.Unmarshal(b, &u.Object)
}

// oneVersion is what the field manager asks of a scheme; every kind has one version.
type oneVersion struct{}

func (oneVersion) Convert(_, _, _ any) error { return fmt.Errorf("there is one version") }

func (oneVersion) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (oneVersion) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

func (oneVersion) Default(runtime.Object) {}

func (oneVersion) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u, nil
}
