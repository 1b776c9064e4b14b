package reconcile

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// shape is where the parts of a kind's Go type are.
type shape struct {
	kind *specs.Kind
	// status is the index of the field Status, -1 when there is none; desired are the fields beside it and the metadata.
	status  int
	desired []int
	// hasSpec: the kind has a generation.
	hasSpec bool
}

// shapes maps Go types (of the struct, not the pointer) to kinds.
var shapes = sync.OnceValue(func() map[reflect.Type]*shape {
	out := map[reflect.Type]*shape{}
	for _, k := range specs.Kinds {
		t := reflect.TypeOf(k.New()).Elem()
		s := &shape{kind: k, status: -1}
		for i := range t.NumField() {
			switch f := t.Field(i); f.Name {
			case "TypeMeta", "ObjectMeta":
			case "Status":
				s.status = i
			default:
				s.desired = append(s.desired, i)
				s.hasSpec = s.hasSpec || f.Name == "Spec"
			}
		}
		out[t] = s
	}
	return out
})

// shapeOf answers the shape of an object's kind; nil when it is of none.
func shapeOf(o specs.Object) *shape { return shapes()[reflect.TypeOf(o).Elem()] }

func fieldOf(o specs.Object, i int) reflect.Value { return reflect.ValueOf(o).Elem().Field(i) }

// sameDesired tells whether a and b declare the same: all but metadata and status.
func (s *shape) sameDesired(a, b specs.Object) bool {
	for _, i := range s.desired {
		if !equal(fieldOf(a, i), fieldOf(b, i)) {
			return false
		}
	}
	return true
}

func (s *shape) sameStatus(a, b specs.Object) bool {
	return s.status < 0 || equal(fieldOf(a, s.status), fieldOf(b, s.status))
}

// setStatus makes the status of dst that of src; they share what it points to.
func (s *shape) setStatus(dst, src specs.Object) {
	if s.status >= 0 {
		fieldOf(dst, s.status).Set(fieldOf(src, s.status))
	}
}

// shallow copies the object itself and nothing that it points to.
func shallow(o specs.Object) specs.Object {
	v := reflect.ValueOf(o).Elem()
	n := reflect.New(v.Type())
	n.Elem().Set(v)
	return n.Interface().(specs.Object)
}

// sameMeta tells whether the metadata that a client may write is the same.
func sameMeta(a, b specs.Object) bool {
	return maps.Equal(a.GetLabels(), b.GetLabels()) && maps.Equal(a.GetAnnotations(), b.GetAnnotations()) &&
		slices.Equal(a.GetFinalizers(), b.GetFinalizers()) &&
		equal(reflect.ValueOf(a.GetOwnerReferences()), reflect.ValueOf(b.GetOwnerReferences())) &&
		sameManagers(a.GetManagedFields(), b.GetManagedFields())
}

// sameManagers compares managed fields but for their times.
func sameManagers(a, b []metav1.ManagedFieldsEntry) bool {
	return slices.EqualFunc(a, b, func(x, y metav1.ManagedFieldsEntry) bool {
		x.Time, y.Time = nil, nil
		return equal(reflect.ValueOf(x), reflect.ValueOf(y))
	})
}
