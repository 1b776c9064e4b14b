package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Instance is one running copy of a Process. The operator writes it; nobody else can.
type Instance struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   InstanceSpec   `json:"spec"`
	Status InstanceStatus `json:"status,omitzero"`
}

// InstanceSpec says which copy of what it is.
type InstanceSpec struct {
	// Process it is a copy of.
	Process string `json:"process"`
	// TemplateHash of the template it runs.
	TemplateHash string `json:"templateHash"`
	// Ordinal from 0 to replicas-1.
	Ordinal int32 `json:"ordinal"`
}

// InstanceStatus is what was observed of an Instance.
type InstanceStatus struct {
	// State now: exactly one of its fields.
	State InstanceState `json:"state"`
	// LastState is how the run before this one ended.
	LastState InstanceState `json:"lastState,omitzero"`
	// Ready: the readiness probe succeeds, or there is none and it runs.
	Ready bool `json:"ready"`
	// Started: the startup probe has succeeded, or there is none and it runs.
	Started bool `json:"started"`
	// RestartCount is how often it was started again since it was created. A reboot does not count.
	RestartCount int32 `json:"restartCount"`
	// PID of the main process while it runs.
	PID int32 `json:"pid,omitempty"`
	// Ports it was given, by name.
	Ports []InstancePort `json:"ports,omitempty"`
	// Endpoints is where its ports are reached, as host:port.
	Endpoints []string `json:"endpoints,omitempty"`
	// Revision of the Stack whose template it runs.
	Revision string `json:"revision,omitempty"`
	// Version of the Process that it runs.
	Version string `json:"version,omitempty"`
	// Executable is the file that was started and its digest then.
	Executable *Executable `json:"executable,omitempty"`
	// Conditions: Ready, and what else is to be said.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// InstancePort is a port that an instance was given.
type InstancePort struct {
	// Name of the port.
	Name string `json:"name"`
	// Port number.
	Port int32 `json:"port"`
}

// Executable is a program's file.
type Executable struct {
	// Path of the file.
	Path string `json:"path"`
	// Digest of its content, as sha256:<hex>.
	Digest string `json:"digest,omitempty"`
}

// InstanceState is one of waiting, running, stopping, terminated.
type InstanceState struct {
	// Waiting: it is to run but does not.
	Waiting *StateWaiting `json:"waiting,omitempty"`
	// Running since a time.
	Running *StateRunning `json:"running,omitempty"`
	// Stopping: it was asked to end.
	Stopping *StateStopping `json:"stopping,omitempty"`
	// Terminated: it ended and is not to run again.
	Terminated *StateTerminated `json:"terminated,omitempty"`
}

// StateWaiting says why an instance does not run.
type StateWaiting struct {
	// Reason, such as CrashLoopBackOff.
	Reason string `json:"reason,omitempty"`
	// Message for a person.
	Message string `json:"message,omitempty"`
	// Until is when the next try is.
	Until *metav1.Time `json:"until,omitzero"`
}

// StateRunning is a running instance.
type StateRunning struct {
	// StartedAt is when this run began.
	StartedAt metav1.Time `json:"startedAt"`
}

// StateStopping is an instance that was asked to end.
type StateStopping struct {
	// Since when it stops.
	Since metav1.Time `json:"since"`
	// Reason it stops.
	Reason string `json:"reason,omitempty"`
}

// StateTerminated is how a run ended.
type StateTerminated struct {
	// Reason: Completed, Error, OOMKilled, Signaled, LivenessFailed, CannotStart, Unknown.
	Reason string `json:"reason"`
	// Message for a person.
	Message string `json:"message,omitempty"`
	// ExitCode, where the run ended by itself. -1 when it is not known.
	ExitCode int32 `json:"exitCode"`
	// Signal that ended it, by name.
	Signal string `json:"signal,omitempty"`
	// StartedAt is when the run began.
	StartedAt metav1.Time `json:"startedAt,omitzero"`
	// FinishedAt is when it ended.
	FinishedAt metav1.Time `json:"finishedAt,omitzero"`
}
