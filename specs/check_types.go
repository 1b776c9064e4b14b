package specs

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check looks whether something does what it is there for: on a schedule, and whenever somebody asks.
type Check struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   CheckSpec   `json:"spec,omitempty"`
	Status CheckStatus `json:"status,omitzero"`
}

// CheckSpec declares what is looked at and how. It has exactly one of httpGet, tcpSocket, exec and prompt.
type CheckSpec struct {
	// Why the check exists.
	Why string `json:"why,omitempty"`
	// Target is what the check speaks of.
	Target CheckTarget `json:"target"`
	// HTTPGet asks each running copy of the process, and succeeds on a status from 200 to 399.
	HTTPGet *HTTPGetAction `json:"httpGet,omitempty"`
	// TCPSocket succeeds when a connection to each running copy of the process opens.
	TCPSocket *TCPSocketAction `json:"tcpSocket,omitempty"`
	// Exec runs a command beside each running copy, with the user, environment and directory of the process; it succeeds with exit code 0.
	Exec *ExecAction `json:"exec,omitempty"`
	// Prompt asks a route, and judges what it answers.
	Prompt *CheckPrompt `json:"prompt,omitempty"`
	// Timeout of one measurement, from 100ms to 10m; what takes longer has failed. Default 5s.
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Interval between the measurements of one run, at most 10m. Default 1s.
	Interval *metav1.Duration `json:"interval,omitempty"`
	// Count of measurements in one run, from 1 to 100. Default 1.
	Count *int32 `json:"count,omitempty"`
	// FailureLimit is how many measurements of a run may fail before the run does, less than count. Default 0.
	FailureLimit *int32 `json:"failureLimit,omitempty"`
	// Schedule makes it monitoring. Without it the check runs only when somebody asks, and says nothing about its target.
	Schedule *CheckSchedule `json:"schedule,omitempty"`
}

// CheckTarget names what a check looks at: exactly one of process and route.
type CheckTarget struct {
	// Process by name, for httpGet, tcpSocket and exec.
	Process string `json:"process,omitempty"`
	// Route by name, for prompt.
	Route string `json:"route,omitempty"`
}

// CheckSchedule says when a check runs by itself.
type CheckSchedule struct {
	// Every so much time that the host is awake a run begins, from 1s to 168h, and no more often than a run could take. The first one of a check
	// that is new or changed begins within ten seconds, at a moment of its own.
	Every metav1.Duration `json:"every"`
}

// CheckVerdict is what a run amounts to.
type CheckVerdict string

// The verdicts.
const (
	// CheckPassing: no more measurements failed than may.
	CheckPassing CheckVerdict = "Passing"
	// CheckFailing: more failed.
	CheckFailing CheckVerdict = "Failing"
	// CheckInconclusive: some measurements could not be made, and those that were do not fail the run.
	CheckInconclusive CheckVerdict = "Inconclusive"
	// CheckUnknown: nothing is known now. It has not run, not of late or not as it is declared now; or no measurement could be made.
	CheckUnknown CheckVerdict = "Unknown"
)

// CheckStatus is what was observed by a Check.
type CheckStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Verdict: Passing, Failing, Inconclusive or Unknown.
	Verdict CheckVerdict `json:"verdict,omitempty"`
	// Since when the verdict is so.
	Since metav1.Time `json:"since,omitzero"`
	// Notified is the verdict that an event told last.
	Notified CheckVerdict `json:"notified,omitempty"`
	// LastRun is the run that ended last.
	LastRun *CheckRun `json:"lastRun,omitempty"`
	// Conditions: Ready (it can run), Passing, ResolvedRefs.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CheckRun is one run of a check.
type CheckRun struct {
	// Started and Finished are when.
	Started  metav1.Time `json:"started"`
	Finished metav1.Time `json:"finished"`
	// Generation of the check that ran, and TargetGeneration that its target had when the run began; 0 when there was no target.
	Generation       int64 `json:"generation"`
	TargetGeneration int64 `json:"targetGeneration,omitempty"`
	// Verdict, and Message that says why it is not Passing.
	Verdict CheckVerdict `json:"verdict"`
	Message string       `json:"message,omitempty"`
	// Measurements in their order. A run ends when as many have failed as fail it.
	Measurements []CheckMeasurement `json:"measurements,omitempty"`
}

// CheckOutcome is how one measurement came out.
type CheckOutcome string

// The outcomes.
const (
	OutcomeSuccess CheckOutcome = "Success"
	OutcomeFailure CheckOutcome = "Failure"
	// OutcomeUnknown: it could not be made, which says nothing about the target.
	OutcomeUnknown CheckOutcome = "Unknown"
)

// CheckMeasurement is one look at the target.
type CheckMeasurement struct {
	// Outcome: Success, Failure or Unknown.
	Outcome CheckOutcome `json:"outcome"`
	// Took is how long it was, in milliseconds.
	Took int64 `json:"tookMilliseconds"`
	// Message says what failed, at most 300 bytes; nothing of an answer to a prompt is in it.
	Message string `json:"message,omitempty"`
	// Excerpt is the beginning of an answer that is not as expected, at most 200 bytes. It is nowhere else.
	Excerpt string `json:"excerpt,omitempty"`
}
