package specs

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TokenBudget is what principals may spend through the gates: tokens, money, requests, calls at once. Every budget that a call falls under
// holds, and with each the budgets above it.
type TokenBudget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TokenBudgetSpec   `json:"spec,omitempty"`
	Status TokenBudgetStatus `json:"status,omitzero"`
}

// TokenBudgetSpec is the desired state of a TokenBudget.
type TokenBudgetSpec struct {
	// Why this budget exists, in a sentence.
	Why string `json:"why,omitempty"`
	// Parent is a budget that is charged with this one, whatever it selects itself.
	Parent string `json:"parent,omitempty"`
	// Principals that the budget is for; all: true is everybody.
	Principals *PrincipalSelector `json:"principals"`
	// Account: Shared (the default), one for all of them; or Each, one for each principal.
	Account BudgetAccount `json:"account,omitempty"`
	// Scope narrows the budget to some calls. Default: all.
	Scope *BudgetScope `json:"scope,omitempty"`
	// Limits that all hold, each by itself.
	Limits []BudgetLimit `json:"limits"`
	// OnExceeded says what happens to a call that does not fit, where its limit says nothing else. Default Deny.
	OnExceeded *OnExceeded `json:"onExceeded,omitempty"`
	// Thresholds in percent of a limit, from 1 to 100 and rising; an event tells when one is reached. Default: none.
	Thresholds []int32 `json:"thresholds,omitempty"`
}

// BudgetAccount says who shares what a budget allows.
type BudgetAccount string

// The budget accounts.
const (
	AccountShared BudgetAccount = "Shared"
	AccountEach   BudgetAccount = "Each"
)

// BudgetScope narrows a budget to some calls; each that is set must fit.
type BudgetScope struct {
	// Gates by name.
	Gates []string `json:"gates,omitempty"`
	// Routes by name.
	Routes []string `json:"routes,omitempty"`
	// Models as clients name them. A name may end in *.
	Models []string `json:"models,omitempty"`
}

// BudgetLimit is one bound of a budget. It has exactly one of tokens, inputTokens, outputTokens, cost, requests and concurrency.
type BudgetLimit struct {
	// Name of the limit, unique in its budget.
	Name string `json:"name"`
	// Tokens of input and output, such as 100k.
	Tokens *resource.Quantity `json:"tokens,omitempty"`
	// InputTokens alone.
	InputTokens *resource.Quantity `json:"inputTokens,omitempty"`
	// OutputTokens alone.
	OutputTokens *resource.Quantity `json:"outputTokens,omitempty"`
	// Cost as a decimal number in quotes, such as "20.00", in currency.
	Cost string `json:"cost,omitempty"`
	// Currency of cost by its code of ISO 4217, such as EUR; one in a tree of budgets and in the prices of what they are for.
	Currency string `json:"currency,omitempty"`
	// Requests.
	Requests *int64 `json:"requests,omitempty"`
	// Concurrency is how many calls may be under way at once; it has no window.
	Concurrency *int64 `json:"concurrency,omitempty"`
	// Window in which the amount may be used. Default: none, and the limit is a prepaid amount that never resets.
	Window *BudgetWindow `json:"window,omitempty"`
	// OnExceeded of this limit. Default: that of the budget.
	OnExceeded *OnExceeded `json:"onExceeded,omitempty"`
}

// BudgetWindow is sliding or of the calendar.
type BudgetWindow struct {
	// Sliding is a time that ends now, from 1s to 744h; what is older counts no more. It is told in steps of a sixtieth, late and never early.
	Sliding *metav1.Duration `json:"sliding,omitempty"`
	// Calendar: Hour, Day, Week (from Monday) or Month.
	Calendar CalendarUnit `json:"calendar,omitempty"`
	// TimeZone of the calendar, a name of the IANA database such as Europe/Berlin. Default UTC.
	TimeZone string `json:"timeZone,omitempty"`
}

// CalendarUnit is a unit of the calendar.
type CalendarUnit string

// The calendar units.
const (
	CalendarHour  CalendarUnit = "Hour"
	CalendarDay   CalendarUnit = "Day"
	CalendarWeek  CalendarUnit = "Week"
	CalendarMonth CalendarUnit = "Month"
)

// OnExceeded says what happens to a call that does not fit.
type OnExceeded struct {
	// Action: Deny refuses it, Queue has it wait at most maxWait, Downgrade sends it to another route.
	Action ExceededAction `json:"action"`
	// MaxWait of Queue, from 1s to 10m. Default 10s.
	MaxWait *metav1.Duration `json:"maxWait,omitempty"`
	// Route of Downgrade, of the same gate and protocol, neither more remote nor dearer.
	Route string `json:"route,omitempty"`
}

// ExceededAction is what happens to a call that does not fit.
type ExceededAction string

// The actions on a call that does not fit.
const (
	ExceededDeny      ExceededAction = "Deny"
	ExceededQueue     ExceededAction = "Queue"
	ExceededDowngrade ExceededAction = "Downgrade"
)

// TokenBudgetStatus is what was observed of a TokenBudget.
type TokenBudgetStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Limits as they stand; of a budget with an account for each principal those of the one that has the least left.
	Limits []BudgetLimitStatus `json:"limits,omitempty"`
	// Accounts that have spent something in a window now.
	Accounts int32 `json:"accounts"`
	// TopSpenders of the window of the first limit, at most five.
	TopSpenders []BudgetSpender `json:"topSpenders,omitempty"`
	// Exceeded are calls that did not fit since the gate's process began, as it last told, and LastExceeded when the last was.
	Exceeded     int64       `json:"exceeded"`
	LastExceeded metav1.Time `json:"lastExceeded,omitzero"`
	// Notified are the thresholds that events told of, in windows that go on.
	Notified []BudgetNotified `json:"notified,omitempty"`
	// AsOf is when this was so first.
	AsOf metav1.Time `json:"asOf,omitzero"`
	// Conditions: Ready, NearLimit, Exhausted, ResolvedRefs.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// BudgetLimitStatus is how a limit stands. Amounts of money are decimal numbers, others whole ones.
type BudgetLimitStatus struct {
	// Name of the limit.
	Name string `json:"name"`
	// Measure that it counts: tokens, inputTokens, outputTokens, cost, requests or concurrency. Currency of cost.
	Measure  string `json:"measure"`
	Currency string `json:"currency,omitempty"`
	// Principal whose account it is; empty for a shared one.
	Principal string `json:"principal,omitempty"`
	// Limit, what is Used of it, Reserved for calls under way, and Remaining.
	Limit     string `json:"limit"`
	Used      string `json:"used"`
	Reserved  string `json:"reserved"`
	Remaining string `json:"remaining"`
	// Reset is when a calendar window ends, or when the oldest part of a sliding one does.
	Reset metav1.Time `json:"reset,omitzero"`
	// BurnPerHour over the last hour, and RunsOut when it would be used up at that rate, before the window ends.
	BurnPerHour string      `json:"burnPerHour,omitempty"`
	RunsOut     metav1.Time `json:"runsOut,omitzero"`
}

// BudgetNotified is a threshold that an event told of.
type BudgetNotified struct {
	// Limit that reached the threshold, and Principal whose account it is; empty for a shared one.
	Limit     string `json:"limit"`
	Principal string `json:"principal,omitempty"`
	// Percent of the limit that were used.
	Percent int32 `json:"percent"`
	// At is when it was told.
	At metav1.Time `json:"at"`
}

// BudgetSpender is who spent.
type BudgetSpender struct {
	// Principal by name.
	Principal string `json:"principal"`
	// Used in the measure of the first limit.
	Used string `json:"used"`
	// Requests that were served.
	Requests int64 `json:"requests"`
}
