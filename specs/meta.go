package specs

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The API group and version of every kind here.
const (
	GroupName = "mirroros.dev"
	Version   = "v1alpha1"
)

// GroupVersion is mirroros.dev/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: Version}

// Labels and annotations that the operator reads or writes.
const (
	// LabelStack names the Stack that owns an object. Objects made through the API have none.
	LabelStack = "mirroros.dev/stack"
	// LabelSystem with the value "true" marks what the operator made for itself.
	LabelSystem = "mirroros.dev/system"
	// LabelProcess and LabelTemplateHash stand on every Instance.
	LabelProcess      = "mirroros.dev/process"
	LabelTemplateHash = "mirroros.dev/template-hash"

	// AnnotationWave orders objects of one revision after their references did: an integer, default 0, lowest first.
	AnnotationWave = "mirroros.dev/wave"
	// AnnotationPrune with the value "disabled" keeps an object when its document goes.
	AnnotationPrune = "mirroros.dev/prune"
	// AnnotationRenamedFrom names the object of the same kind that this one was before.
	AnnotationRenamedFrom = "mirroros.dev/renamed-from"
	// AnnotationRestartedAt (RFC 3339) asks that every instance started before it is restarted in place.
	AnnotationRestartedAt = "mirroros.dev/restarted-at"
	// AnnotationResumeAt (RFC 3339) ends a suspend by itself; AnnotationSuspendReason says why it is suspended.
	AnnotationResumeAt      = "mirroros.dev/resume-at"
	AnnotationSuspendReason = "mirroros.dev/suspend-reason"
	// AnnotationDirectory is the directory that relative paths of an object made through the API start from.
	// For an object from a file it is the file's own directory and is not written.
	AnnotationDirectory = "mirroros.dev/directory"
	// AnnotationExecutable is the digest of a process' program that its copies are being replaced for, one by one; written by the operator.
	AnnotationExecutable = "mirroros.dev/executable"
)

// Object is what every kind here is: Kubernetes metadata around a spec and a status.
// Objects that came from the store are shared and must not be changed; DeepCopyObject gives one that may be.
type Object interface {
	metav1.Object
	runtime.Object
}
