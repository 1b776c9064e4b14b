package specs

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Gate is a listener of the data plane: what comes through it is authenticated, decided by rules and recorded. Nothing passes that no
// rule allows.
type Gate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   GateSpec   `json:"spec,omitempty"`
	Status GateStatus `json:"status,omitzero"`
}

// GateSpec is the desired state of a Gate.
type GateSpec struct {
	// Why this gate exists, in a sentence.
	Why string `json:"why,omitempty"`
	// Listen is where the gate is reached.
	Listen GateListen `json:"listen"`
	// ExposeBeyondHost must be true for an address that is not loopback.
	ExposeBeyondHost bool `json:"exposeBeyondHost,omitempty"`
	// Authentication says how a caller may tell who it is.
	Authentication *GateAuthentication `json:"authentication,omitempty"`
	// Limits of what the gate takes.
	Limits *GateLimits `json:"limits,omitempty"`
	// Durability of the record of a decision before the request is forwarded: Power (the default) survives a power cut, Process survives
	// the death of the gate.
	Durability Durability `json:"durability,omitempty"`
	// Audit says what is recorded, and for how long.
	Audit *GateAudit `json:"audit,omitempty"`
}

// GateListen is where a gate is reached: exactly one of its fields.
type GateListen struct {
	// Address is an IP address and a port, as 127.0.0.1:8088. Port 0 takes any free port; status tells which.
	Address string `json:"address,omitempty"`
	// Unix is the name of a socket below the runtime directory.
	Unix string `json:"unix,omitempty"`
}

// GateAuthentication says how a caller may tell who it is. A caller that none of them names is refused with 401.
type GateAuthentication struct {
	// Tokens: bearer tokens of principals, and x-api-key where the protocol has it. Default true.
	Tokens *bool `json:"tokens,omitempty"`
	// PeerCredentials: a workload of this operator is known by its process, without a token. Of a caller by TCP it is the cgroup (v2) of the
	// process that made the connection, on this host; where instances have none, and before Linux 5.8, the gate must listen on a unix socket.
	// A workload that fetches what others name can then be led to ask the gate in its own name: give such a one no rights here. Default false.
	PeerCredentials *bool `json:"peerCredentials,omitempty"`
	// Anonymous: who brings no credentials is the principal system/anonymous, to which rules may allow something. Wrong credentials are
	// refused all the same. Default false.
	Anonymous *bool `json:"anonymous,omitempty"`
}

// GateLimits of what a gate takes.
type GateLimits struct {
	// MaxBodyBytes of a request. Default 32Mi, at least 1Ki, at most 1Gi.
	MaxBodyBytes *resource.Quantity `json:"maxBodyBytes,omitempty"`
	// MaxConcurrentRequests at once; one more is refused with 503. Default 256, at least 1.
	MaxConcurrentRequests *int32 `json:"maxConcurrentRequests,omitempty"`
}

// Durability of the record of a decision.
type Durability string

// The durabilities.
const (
	DurabilityPower   Durability = "Power"
	DurabilityProcess Durability = "Process"
)

// GateAudit says what is recorded, and for how long. The shortest retain and the smallest maxBytes of all gates hold for the whole log
// of the data plane.
type GateAudit struct {
	// Level: Metadata, Digests (the default: SHA-256 of bodies too) or Bodies.
	Level AuditLevel `json:"level,omitempty"`
	// Retain is how long records are kept: days as 90d, or a duration as 720h. Default 90d.
	Retain string `json:"retain,omitempty"`
	// MaxBytes that records may take; the oldest go first. Default 2Gi, at least 1Mi.
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`
}

// AuditLevel says how much of a request is recorded.
type AuditLevel string

// The audit levels.
const (
	AuditMetadata AuditLevel = "Metadata"
	AuditDigests  AuditLevel = "Digests"
	AuditBodies   AuditLevel = "Bodies"
)

// GateStatus is what was observed of a Gate.
type GateStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Address that the gate listens on: host:port, or the path of its socket.
	Address string `json:"address,omitempty"`
	// Snapshot is the number of the configuration that the gate runs.
	Snapshot int64 `json:"snapshot,omitempty"`
	// Routes and Rules that it serves.
	Routes int32 `json:"routes"`
	Rules  int32 `json:"rules"`
	// Requests, Refused and OpenStreams since the gate's process began, as it last told; now for OpenStreams.
	Requests    int64 `json:"requests"`
	Refused     int64 `json:"refused"`
	OpenStreams int32 `json:"openStreams"`
	// Conditions: Ready.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
