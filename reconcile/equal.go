package reconcile

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	timeType      = reflect.TypeFor[metav1.Time]()
	microTimeType = reflect.TypeFor[metav1.MicroTime]()
	quantityType  = reflect.TypeFor[resource.Quantity]()
)

// equal tells whether two values of one type would be read back as the same: nil and empty lists and maps are the same, times are as
// precise as they are written, quantities are numbers. apimachinery's Semantic.DeepEqual does nearly that at ten times the cost; this is
// in the way of every status.
func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Struct:
		return equalStructs(a, b)
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return a.Pointer() == b.Pointer() || equal(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		if a.Len() == 0 || a.Pointer() == b.Pointer() {
			return true
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for k, v := range a.Seq2() {
			if w := b.MapIndex(k); !w.IsValid() || !equal(v, w) {
				return false
			}
		}
		return true
	case reflect.String:
		return a.String() == b.String()
	case reflect.Interface:
		return reflect.DeepEqual(a.Interface(), b.Interface())
	}
	return a.Equal(b)
}

func equalStructs(a, b reflect.Value) bool {
	switch a.Type() {
	case timeType:
		x, y := a.Interface().(metav1.Time), b.Interface().(metav1.Time)
		return x.Unix() == y.Unix()
	case microTimeType:
		x, y := a.Interface().(metav1.MicroTime), b.Interface().(metav1.MicroTime)
		return x.UnixMicro() == y.UnixMicro()
	case quantityType:
		x, y := a.Interface().(resource.Quantity), b.Interface().(resource.Quantity)
		return x.Cmp(y) == 0
	}
	for i := range a.NumField() {
		if !equal(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}
