package specs

import (
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
)

// deepCopy copies v with everything it points to. Generated copiers would be a few microseconds faster and one file a kind longer.
func deepCopy[T any](v *T) *T {
	if v == nil {
		return nil
	}
	out := new(T)
	copyValue(reflect.ValueOf(out).Elem(), reflect.ValueOf(v).Elem())
	return out
}

var timeType = reflect.TypeFor[time.Time]()

func copyValue(dst, src reflect.Value) {
	switch src.Kind() {
	case reflect.Pointer:
		if src.IsNil() {
			return
		}
		p := reflect.New(src.Type().Elem())
		copyValue(p.Elem(), src.Elem())
		dst.Set(p)
	case reflect.Slice:
		if src.IsNil() {
			return
		}
		s := reflect.MakeSlice(src.Type(), src.Len(), src.Len())
		for i := range src.Len() {
			copyValue(s.Index(i), src.Index(i))
		}
		dst.Set(s)
	case reflect.Map:
		if src.IsNil() {
			return
		}
		m := reflect.MakeMapWithSize(src.Type(), src.Len())
		for k, v := range src.Seq2() {
			e := reflect.New(v.Type()).Elem()
			copyValue(e, v)
			m.SetMapIndex(k, e)
		}
		dst.Set(m)
	case reflect.Struct:
		dst.Set(src) // unexported fields too: those of time and quantity are values, or never written through
		if src.Type() == timeType {
			return
		}
		for i := range src.NumField() {
			if src.Type().Field(i).IsExported() {
				copyValue(dst.Field(i), src.Field(i))
			}
		}
	default:
		dst.Set(src)
	}
}

// DeepCopyObject copies the object.
func (o *Process) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Instance) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Stack) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Rollout) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Event) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Gate) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Route) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *GateRule) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Principal) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *TokenBudget) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Check) DeepCopyObject() runtime.Object { return deepCopy(o) }

// DeepCopyObject copies the object.
func (o *Lease) DeepCopyObject() runtime.Object { return deepCopy(o) }

// Copy returns a deep copy that may be changed.
func Copy[T Object](o T) T { return o.DeepCopyObject().(T) }
