package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Event tells something that happened to an object. It has the shape of a core/v1 Event and lives in the namespace default.
type Event struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// InvolvedObject is what it happened to.
	InvolvedObject ObjectReference `json:"involvedObject"`
	// Reason is a word for programs, such as Started.
	Reason string `json:"reason,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// Source is the controller that tells it.
	Source EventSource `json:"source,omitempty"`
	// FirstTimestamp and LastTimestamp are when it happened first and last.
	FirstTimestamp metav1.Time `json:"firstTimestamp,omitzero"`
	LastTimestamp  metav1.Time `json:"lastTimestamp,omitzero"`
	// Count of times it happened.
	Count int32 `json:"count,omitempty"`
	// Type is Normal or Warning.
	Type string `json:"type,omitempty"`
	// EventTime, ReportingComponent and ReportingInstance are what clients of the newer API read.
	EventTime          *metav1.MicroTime `json:"eventTime"`
	ReportingComponent string            `json:"reportingComponent"`
	ReportingInstance  string            `json:"reportingInstance"`
}

// ObjectReference names an object.
type ObjectReference struct {
	// Kind, Namespace and Name of the object.
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	// UID, APIVersion and ResourceVersion of the object when it happened.
	UID             string `json:"uid,omitempty"`
	APIVersion      string `json:"apiVersion,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// FieldPath of the part that it happened to.
	FieldPath string `json:"fieldPath,omitempty"`
}

// EventSource is who tells an event.
type EventSource struct {
	// Component that tells it, and the host that it runs on.
	Component string `json:"component,omitempty"`
	Host      string `json:"host,omitempty"`
}
