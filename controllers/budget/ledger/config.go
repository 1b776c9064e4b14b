package ledger

import "time"

// ConfigFile is the name of the file in <state>/gate that holds a Config; the operator writes it, the gates read it.
const ConfigFile = "budgets.json"

// Config is what the ledger holds calls to. It is admitted: names are unique, parents are there and make no cycle, windows can be computed.
type Config struct {
	// Number grows with each config.
	Number  int64    `json:"number"`
	Budgets []Budget `json:"budgets,omitempty"`
	// Principals that are known now, with what budgets select them by. Those of the log that are not in it are known by what they were last.
	Principals []Principal `json:"principals,omitempty"`
}

// Principal is who spends.
type Principal struct {
	Name   string            `json:"name"`
	Type   string            `json:"type"`
	Labels map[string]string `json:"labels,omitempty"`
}

// Budget limits the calls that it selects, and those that the budgets below it select. Every budget that a call falls under holds.
type Budget struct {
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`

	// All principals, or those of Names, Types and Labels: each that is set must fit, Names and Types each with one of theirs.
	All    bool              `json:"all,omitempty"`
	Names  []string          `json:"names,omitempty"`
	Types  []string          `json:"types,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Gates, Routes and Models (names as clients use them; one may end in *) that it is for. None is all.
	Gates  []string `json:"gates,omitempty"`
	Routes []string `json:"routes,omitempty"`
	Models []string `json:"models,omitempty"`

	// Each principal has an account of its own; else one account is shared.
	Each     bool    `json:"each,omitempty"`
	Currency string  `json:"currency,omitempty"`
	Limits   []Limit `json:"limits"`
	// Thresholds in percent of a limit, rising: reaching one is told once in each window.
	Thresholds []int32 `json:"thresholds,omitempty"`
}

// Measure is what a limit counts.
type Measure string

// The measures.
const (
	Tokens       Measure = "tokens" // input and output
	InputTokens  Measure = "inputTokens"
	OutputTokens Measure = "outputTokens"
	Cost         Measure = "cost" // in Nano
	Requests     Measure = "requests"
	Concurrency  Measure = "concurrency" // calls under way; it has no window
)

// Limit is one bound of a budget.
type Limit struct {
	Name    string  `json:"name"`
	Measure Measure `json:"measure"`
	// Amount that may be used in a window.
	Amount int64  `json:"amount"`
	Window Window `json:"window,omitzero"`
	// OnExceeded is Deny, Queue or Downgrade.
	OnExceeded Action `json:"onExceeded"`
	// MaxWait of Queue, Route of Downgrade.
	MaxWait time.Duration `json:"maxWait,omitempty"`
	Route   string        `json:"route,omitempty"`
}

// Action is what happens to a call that does not fit.
type Action string

// The actions.
const (
	Deny      Action = "Deny"
	Queue     Action = "Queue"
	Downgrade Action = "Downgrade"
)

// Calendar is a unit of the calendar.
type Calendar string

// The units. A week begins on Monday (ISO 8601).
const (
	Hour  Calendar = "Hour"
	Day   Calendar = "Day"
	Week  Calendar = "Week"
	Month Calendar = "Month"
)

// Window says when a limit begins anew: Sliding, or Calendar in Zone, or, when empty, never: the limit is a prepaid amount.
type Window struct {
	Sliding  time.Duration `json:"sliding,omitempty"`
	Calendar Calendar      `json:"calendar,omitempty"`
	// Zone is a name of the IANA time zone database. Default UTC.
	Zone string `json:"zone,omitempty"`
}
