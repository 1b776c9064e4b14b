package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Rollout is one change set of a Stack on its way: its waves, and how far each object is. The operator writes it; nobody else can.
type Rollout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RolloutSpec   `json:"spec"`
	Status RolloutStatus `json:"status,omitzero"`
}

// RolloutSpec says what is put in force, and in which order.
type RolloutSpec struct {
	// Stack whose revision it is.
	Stack string `json:"stack"`
	// From is the revision that was in force when it began.
	From *Revision `json:"from,omitempty"`
	// To is the revision that it leads to.
	To Revision `json:"to"`
	// Waves in their order: each is written as one transaction. One that changes what is in force waits until the objects of those before
	// it are ready.
	Waves []RolloutWave `json:"waves"`
	// InForce is how many waves are written.
	InForce int32 `json:"inForce"`
	// Paused: no wave is written, and no deadline runs.
	Paused bool `json:"paused,omitempty"`
	// StartedAt is when its first wave was written.
	StartedAt metav1.MicroTime `json:"startedAt"`
}

// RolloutWave is what is written together.
type RolloutWave struct {
	// Objects by kind and name.
	Objects []RolloutObject `json:"objects"`
}

// RolloutObject is an object that a rollout changes.
type RolloutObject struct {
	// Kind and Name of the object.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Change: Create, Update or Delete.
	Change RolloutChange `json:"change"`
	// WasReady: it was ready before, so there is something to go back to.
	WasReady bool `json:"wasReady,omitempty"`
}

// RolloutChange is what a rollout does to an object.
type RolloutChange string

// The changes of a rollout.
const (
	RolloutCreate RolloutChange = "Create"
	RolloutUpdate RolloutChange = "Update"
	RolloutDelete RolloutChange = "Delete"
)

// RolloutState is how far an object of a rollout is.
type RolloutState string

// The states of an object in a rollout.
const (
	// RolloutWaiting: its wave is not written yet.
	RolloutWaiting RolloutState = "Waiting"
	// RolloutApplied: it is written, and not ready yet.
	RolloutApplied RolloutState = "Applied"
	// RolloutReady: it is ready as it was written.
	RolloutReady RolloutState = "Ready"
	// RolloutFailed: it is stalled; nothing will happen by itself.
	RolloutFailed RolloutState = "Failed"
)

// RolloutStatus is what was observed of a Rollout.
type RolloutStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Wave that is on its way, from 1; the last one when all are ready.
	Wave int32 `json:"wave,omitempty"`
	// ReadyObjects out of Objects are ready.
	ReadyObjects int32 `json:"readyObjects"`
	Objects      int32 `json:"objects"`
	// States of the objects, in the order of the waves.
	States []RolloutObjectStatus `json:"states,omitempty"`
	// Failure is why the revision before was put back in force; nil when it was not.
	Failure *RolloutFailure `json:"failure,omitempty"`
	// CompletedAt is when all of them were ready, or another revision replaced it, or the one before was put back.
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Conditions: Ready (all waves are in force and ready), Progressing (it is on its way), Stalled.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RolloutObjectStatus is how far one object is.
type RolloutObjectStatus struct {
	// Kind and Name of the object, and its wave, from 1.
	Kind string `json:"kind"`
	Name string `json:"name"`
	Wave int32  `json:"wave"`
	// State: Waiting, Applied, Ready or Failed.
	State RolloutState `json:"state"`
	// Message says what it waits for, or why it failed.
	Message string `json:"message,omitempty"`
}

// RolloutFailure is why a rollout failed.
type RolloutFailure struct {
	// Time of the failure.
	Time metav1.Time `json:"time"`
	// Objects that failed.
	Objects []FailedObject `json:"objects"`
}

// FailedObject is an object whose new content failed.
type FailedObject struct {
	// Kind and Name of the object.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Message says why.
	Message string `json:"message"`
	// Copies of it that failed, as they were before they were replaced.
	Copies []FailedCopy `json:"copies,omitempty"`
}

// FailedCopy is what is kept of an instance that failed.
type FailedCopy struct {
	// Name of the instance.
	Name string `json:"name"`
	// LastExit is how its last run ended; nil when none has.
	LastExit *StateTerminated `json:"lastExit,omitempty"`
	// Message holds why it does not run, and its last words.
	Message string `json:"message,omitempty"`
}
