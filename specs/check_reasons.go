package specs

// Types of conditions that checks make, beside those that every kind has.
const (
	// ConditionPassing, of a Check: its verdict is Passing.
	ConditionPassing = "Passing"
	// ConditionHealthy, of what a Check with a schedule looks at: no such check fails, and none is without an answer.
	ConditionHealthy = "Healthy"
	// ConditionAligned is the same of prompts: it answers as it is to.
	ConditionAligned = "Aligned"
)

// Reasons of a Check, and of the conditions that it makes. A verdict is a reason too.
const (
	// ReasonCheckNotRun: it has not run yet, not of late, or not as it is declared now.
	ReasonCheckNotRun = "NotRun"
	// ReasonChecksPassing, ReasonCheckFailing and ReasonCheckUnknown: of what is looked at.
	ReasonChecksPassing = "ChecksPassing"
	ReasonCheckFailing  = "CheckFailing"
	ReasonCheckUnknown  = "CheckUnknown"
)
