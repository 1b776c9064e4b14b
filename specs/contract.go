package specs

import (
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The parts of a kind that are its own are optional methods of its type: a kind that has no defaults needs no Default.
type (
	defaulter interface{ Default() }
	validator interface{ Validate() field.ErrorList }
	referrer  interface{ References() []Ref }
)

// Ref is a reference from a field of one object to another object, by name.
type Ref struct {
	// FromField that holds the name, as spec.dependsOn[0].process.
	FromField string
	// Kind and Name of the object that is meant.
	Kind, Name string
}

// Default fills in what an object leaves out, and its apiVersion and kind. A second call changes nothing.
func Default(o Object) {
	setType(o)
	if d, ok := o.(defaulter); ok {
		d.Default()
	}
}

// Validate tells everything that is wrong in one object by itself, in the order of its fields.
// What depends on other objects (references, ports of others, cycles) is not looked at.
//
// An object without defaults is validated as if it had them.
func Validate(o Object) field.ErrorList {
	faults := validateMeta(o)
	if v, ok := o.(validator); ok {
		faults = append(faults, v.Validate()...)
	}
	return faults
}

// References of an object to others, in the order of its fields.
func References(o Object) []Ref {
	if r, ok := o.(referrer); ok {
		return r.References()
	}
	return nil
}

// setType writes apiVersion and kind, which a typed object of client code often lacks.
func setType(o Object) {
	if k := kindOfObject(o); k != nil {
		k.SetType(o)
	}
}

// kindOfObject finds the kind by the Go type; nil when there is none.
func kindOfObject(o Object) *Kind {
	return kindsByType()[reflect.TypeOf(o)]
}

var kindsByType = sync.OnceValue(func() map[reflect.Type]*Kind {
	m := make(map[reflect.Type]*Kind, len(Kinds))
	for _, k := range Kinds {
		m[reflect.TypeOf(k.New())] = k
	}
	return m
})
