package specs

// Types of conditions of a TokenBudget, beside those that every kind has.
const (
	// ConditionNearLimit: a threshold of a limit is reached, and the limit is not.
	ConditionNearLimit = "NearLimit"
	// ConditionExhausted: a limit has nothing left, or so little that a call did not fit in the last minute.
	ConditionExhausted = "Exhausted"
)

// Reasons of a TokenBudget.
const (
	// ReasonBudgetNearLimit: a threshold of a limit is reached.
	ReasonBudgetNearLimit = "BudgetNearLimit"
	// ReasonBudgetExhausted: a limit has no room for a call.
	ReasonBudgetExhausted = "BudgetExhausted"
	// ReasonWithinLimits: no threshold is reached, and every limit has something left.
	ReasonWithinLimits = "WithinLimits"
	// ReasonBudgetReset: somebody had the budget forget what was used.
	ReasonBudgetReset = "BudgetReset"
	// ReasonLedgerUnreadable: what was used is not known, because the ledger of the gate cannot be read.
	ReasonLedgerUnreadable = "LedgerUnreadable"
)
