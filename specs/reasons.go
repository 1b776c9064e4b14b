package specs

// Types of conditions. Each kind has the first three; a condition that says nothing is left out.
const (
	// ConditionReady: it does what it is declared for.
	ConditionReady = "Ready"
	// ConditionReconciling: something is under way toward what is declared.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: nothing will happen by itself; somebody must act.
	ConditionStalled = "Stalled"
	// ConditionDegraded: it works, but less well than declared.
	ConditionDegraded = "Degraded"
	// ConditionDiskPressure, of the operator: its state cannot be written, or soon cannot be.
	ConditionDiskPressure = "DiskPressure"
	// ConditionResolvedRefs is False while an object that is referred to is not there.
	ConditionResolvedRefs = "ResolvedRefs"
)

// Types of events.
const (
	EventNormal  = "Normal"
	EventWarning = "Warning"
)

// Reasons that every kind shares, in conditions and events alike.
const (
	// ReasonReady and ReasonNotReady: it is as declared, or not.
	ReasonReady    = "Ready"
	ReasonNotReady = "NotReady"
	// ReasonSuspended: somebody asked that it stops.
	ReasonSuspended = "Suspended"
	// ReasonResumed: a suspend ended.
	ReasonResumed = "Resumed"
	// ReasonReconciled: nothing is under way.
	ReasonReconciled = "Reconciled"
	// ReasonRefsNotFound: an object that is referred to is not there.
	ReasonRefsNotFound = "RefsNotFound"
	// ReasonResolved: what is referred to is there.
	ReasonResolved = "Resolved"
	// ReasonStateNotWritten: the state directory cannot be written. ReasonDiskNearlyFull: there is little room left.
	ReasonStateNotWritten = "StateNotWritten"
	ReasonDiskNearlyFull  = "DiskNearlyFull"
	// ReasonInternalError: a fault of the operator itself.
	ReasonInternalError = "InternalError"
)
