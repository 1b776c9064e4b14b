package specs

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of this file are no objects: they are what the operator answers about budgets.

// BudgetReport is how a budget stands. Amounts are as in a status.
type BudgetReport struct {
	Name string    `json:"name"`
	Now  time.Time `json:"now"`
	// Accounts: the shared one, or those that have used something, the one with the least left first.
	Accounts    []BudgetAccountReport `json:"accounts"`
	TopSpenders []BudgetSpender       `json:"topSpenders,omitempty"`
}

// BudgetAccountReport is how an account stands; of a shared one Principal is empty.
type BudgetAccountReport struct {
	Principal string              `json:"principal,omitempty"`
	Limits    []BudgetLimitReport `json:"limits"`
}

// BudgetLimitReport is how a limit stands.
type BudgetLimitReport struct {
	BudgetLimitStatus
	// Since is when the window began.
	Since time.Time `json:"since,omitzero"`
}

// BudgetHistory is who took what when.
type BudgetHistory struct {
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Step is how long each is.
	Step metav1.Duration    `json:"step"`
	Rows []BudgetHistoryRow `json:"rows"`
}

// BudgetHistoryRow is what one of them took.
type BudgetHistoryRow struct {
	Name  string          `json:"name"`
	Total BudgetAmounts   `json:"total"`
	Steps []BudgetAmounts `json:"steps"`
	// Refused are calls that did not fit into the budget, as the audit log has them.
	Refused int64 `json:"refused"`
}

// BudgetAmounts are what was taken. Cost is a decimal number in the currency of the prices.
type BudgetAmounts struct {
	InputTokens  int64  `json:"inputTokens"`
	OutputTokens int64  `json:"outputTokens"`
	Cost         string `json:"cost"`
	Requests     int64  `json:"requests"`
}

// BudgetFindings of a verification.
type BudgetFindings struct {
	Faults []BudgetFault `json:"faults"`
	// Records, Calls that have ended, and Open reservations.
	Records int64 `json:"records"`
	Calls   int64 `json:"calls"`
	Open    int64 `json:"open"`
	// Torn bytes at the end, half a write of a process that was killed; no fault.
	Torn  int64         `json:"tornBytes"`
	Total BudgetAmounts `json:"total"`
}

// BudgetFault is one thing that is wrong.
type BudgetFault struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	What   string `json:"what"`
}
