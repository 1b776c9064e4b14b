package specs

// ConditionProgressing of a Rollout: it is on its way.
const ConditionProgressing = "Progressing"

// Reasons of a Rollout.
const (
	// ReasonRollingOut: waves wait until those before them are ready.
	ReasonRollingOut = "RollingOut"
	// ReasonRolledOut: all waves are in force, and all objects were ready.
	ReasonRolledOut = "RolledOut"
	// ReasonRolloutPaused: somebody paused it.
	ReasonRolloutPaused = "Paused"
	// ReasonRolloutReplaced: another revision was put in force before it was ready.
	ReasonRolloutReplaced = "Replaced"
	// ReasonObjectFailed: an object of it is stalled, or was not ready in time.
	ReasonObjectFailed = "ObjectFailed"
	// ReasonRollbackFailed: it failed, and the revision before cannot be put back.
	ReasonRollbackFailed = "RollbackFailed"
)
