package ledger

import (
	"errors"
	"time"
)

// Reader reads a log that others write. It changes nothing and needs no right to write. It is safe for many callers.
type Reader struct{}

// OpenReader reads the log in dir. A directory that is missing or empty is a log without facts.
func OpenReader(dir string) (*Reader, error) { return nil, errors.New("not built yet") }

// Refresh reads what was written since. Moved tells whether there was anything.
func (r *Reader) Refresh() (moved bool, err error) { return false, errors.New("not built yet") }

// Close gives back what the reader holds.
func (r *Reader) Close() error { return nil }

// BudgetReport is how a budget stands.
type BudgetReport struct {
	Name string
	// Accounts: the shared one; or of a budget with an account for each principal those that have used or reserved something in a window now, the one
	// with the least left of a limit (by its part) first.
	Accounts []AccountReport
	// TopSpenders in the window of the first limit, in its measure (of concurrency: tokens of the last hour), the first first; at most ten.
	TopSpenders []Spender
}

// AccountReport is how an account stands.
type AccountReport struct {
	// Principal whose account it is; empty for a shared one.
	Principal string
	// Limits in the order of the budget.
	Limits []LimitReport
}

// LimitReport is how a limit of an account stands, in its measure; money in Nano.
type LimitReport struct {
	Name    string
	Measure Measure
	// Amount of the limit. Used in the window, Reserved by calls under way, Remaining without both, never negative.
	Amount, Used, Reserved, Remaining int64
	// Since is when the window began; zero for a limit without one. A calendar window that begins anew has another one.
	Since time.Time
	// Reset is when a calendar window ends, or when the oldest part of a sliding one does; zero when there is none.
	Reset time.Time
	// BurnPerHour is what was used in the last hour, RunsOut when all is used up at that rate; zero when not before a calendar window ends.
	BurnPerHour int64
	RunsOut     time.Time
	// Thresholds of the budget that Used has reached, rising.
	Thresholds []int32
}

// Spender is who spent.
type Spender struct {
	Principal      string
	Used, Requests int64
}

// Report tells how the budgets of a config stand, in their order. Now is the wall clock.
func (r *Reader) Report(c Config, now time.Time) ([]BudgetReport, error) {
	return nil, errors.New("not built yet")
}

// By is what a history is told by.
type By string

// What a history is told by.
const (
	ByPrincipal By = "principal"
	ByRoute     By = "route" // as gate/route
	ByModel     By = "model"
)

// HistoryQuery asks for a history.
type HistoryQuery struct {
	By By
	// Budget whose calls alone count, as of the config of the last Report; empty is all calls.
	Budget string
	// Since and Until when, in steps of Step: from 1 s in the last hour, 60 s in the last two days, 900 s in 62 days; a finer one is told
	// in lumps. At most 10,000 steps.
	Since, Until time.Time
	Step         time.Duration
}

// Amounts that calls took.
type Amounts struct {
	Input, Output int64
	Cost          Nano
	Requests      int64
}

// HistoryRow is what one principal, route or model took, step by step.
type HistoryRow struct {
	Name  string
	Total Amounts
	Steps []Amounts
}

// History tells who took what when, the most tokens first.
func (r *Reader) History(q HistoryQuery) ([]HistoryRow, error) {
	return nil, errors.New("not built yet")
}

// Findings of Verify.
type Findings struct {
	// Faults found, in order of the log; none is a log that is sound.
	Faults []Fault
	// Records, Calls that were settled or charged, and Open reservations.
	Records, Calls, Open int64
	// Torn bytes at the end of the log, which an opener would cut off: half a write of a process that was killed.
	Torn int64
	// Total of what all calls ever took.
	Total Amounts
}

// Fault is one thing that is wrong.
type Fault struct {
	File   string
	Offset int64
	What   string
}

// Verify derives everything anew from the first fact that is kept, and compares with snapshots and running balances. It may run beside writers. An
// error is that it could not read.
func Verify(dir string, c Config) (Findings, error) { return Findings{}, errors.New("not built yet") }
