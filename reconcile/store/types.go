package store

import (
	"errors"
	"strings"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is what the store keeps. An object that the store returned is shared: copy it before changing it.
type Object interface {
	metav1.Object
	runtime.Object
}

// Key names one object. Namespace is empty for all kinds but Event.
type Key struct{ Kind, Namespace, Name string }

// String is kind/name or kind/namespace/name, with the kind in lower case.
func (k Key) String() string {
	kind := strings.ToLower(k.Kind)
	if k.Namespace == "" {
		return kind + "/" + k.Name
	}
	return kind + "/" + k.Namespace + "/" + k.Name
}

// EventType is what happened to an object.
type EventType string

// The event types, as in the Kubernetes watch protocol.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
)

// Event is one change of one object.
type Event struct {
	Type EventType
	// Kind of the object.
	Kind string
	// Object as it is after the change; for Deleted as it was last, with the revision of the deletion.
	Object Object
	// Old is the object before the change; nil for Added.
	Old Object
	// Rev is the store's revision with the change. Events of one transaction share it.
	Rev int64
}

// Codec turns objects of every kind into bytes and back. The store itself knows no kind.
type Codec interface {
	Encode(Object) ([]byte, error)
	Decode(kind string, b []byte) (Object, error)
}

// Options of Open. Codec must be set.
type Options struct {
	Codec Codec
	// History is how many events are kept for watches that resume, besides that they are kept for about a minute. Default 10000.
	History int
	Log     logr.Logger
}

// What the store answers.
var (
	// ErrNotFound, ErrExists: the object is not there, or is.
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	// ErrConflict: the object was changed since the resourceVersion that the caller holds.
	ErrConflict = errors.New("changed meanwhile")
	// ErrGone: the revision to watch from is no longer kept, or comes from another life of the store. List again.
	ErrGone = errors.New("revision is gone")
	// ErrNewer: the file was written by a newer version.
	ErrNewer = errors.New("written by a newer version")
	// ErrDamaged: the file is not what a store writes.
	ErrDamaged = errors.New("file is damaged")
	// ErrClosed: the store, or the watch, was closed.
	ErrClosed = errors.New("store is closed")
	// ErrLocked: another operator has it open.
	ErrLocked = errors.New("in use by another operator")
)
