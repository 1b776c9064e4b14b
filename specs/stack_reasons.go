package specs

// Types of conditions of a Stack, beside those that every kind has.
const (
	// ConditionSynced: what is in force is what the files hold.
	ConditionSynced = "Synced"
)

// Reasons of a Stack.
const (
	// ReasonSynced: what the files hold is in force.
	ReasonSynced = "Synced"
	// ReasonApplying and ReasonApplied: a revision is being put in force, or was.
	ReasonApplying = "Applying"
	ReasonApplied  = "Applied"
	// ReasonApplyFailed: a revision could not be put in force.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonManifestsRefused: the files have faults; the last good revision stays in force.
	ReasonManifestsRefused = "ManifestsRefused"
	// ReasonPendingApply: sync is Manual, and the files wait for `mirrorctl apply`.
	ReasonPendingApply = "PendingApply"
	// ReasonHeld: somebody went back to an older revision, and what the files hold is not applied again by itself.
	ReasonHeld = "Held"
	// ReasonWaitingForConfirm: a change is gone back from unless somebody confirms it.
	ReasonWaitingForConfirm = "WaitingForConfirm"
	// ReasonRolledBack: an older revision was put in force, by somebody or since a change failed.
	ReasonRolledBack = "RolledBack"
	// ReasonPruneBlocked: more would be removed than prune allows; somebody must agree.
	ReasonPruneBlocked = "PruneBlocked"
	// ReasonPruneDisabled: objects whose documents are gone stay, as prune says.
	ReasonPruneDisabled = "PruneDisabled"
	// ReasonPruned, ReasonCreated, ReasonUpdated and ReasonDeleted: what was done to an object.
	ReasonPruned  = "Pruned"
	ReasonCreated = "Created"
	ReasonUpdated = "Updated"
	ReasonDeleted = "Deleted"
	// ReasonWaitingForGit: git is at work in the directory.
	ReasonWaitingForGit = "WaitingForGit"
	// ReasonWaitingForWriter: a file is still open for writing.
	ReasonWaitingForWriter = "WaitingForWriter"
	// ReasonWaitingForQuiet: documents went, and it is not sure yet that they do not come back.
	ReasonWaitingForQuiet = "WaitingForQuiet"
	// ReasonSourceUnavailable: the directory cannot be read.
	ReasonSourceUnavailable = "SourceUnavailable"
	// ReasonWaitingForObjects: objects of the revision are not ready.
	ReasonWaitingForObjects = "WaitingForObjects"
	// ReasonStackDeleted: the Stack's own document is gone.
	ReasonStackDeleted = "StackDeleted"
	// ReasonHandedOver: an object went from one Stack to another.
	ReasonHandedOver = "HandedOver"
)
