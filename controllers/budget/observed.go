package budget

import (
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/controllers/gate/proxy/control"
	"mirroros.dev/mirroros/specs"
)

// observed is everything that decide may know.
type observed struct {
	Now     time.Time
	Budgets []*specs.TokenBudget
	// Absent is what each budget, by name, refers to and is not there, as kind/name.
	Absent map[string][]string
	// Held is what calls are held to, and Running what each gate that is connected runs.
	Held    Held
	Running []control.Running
	// Reports by the name of the budget, as of the config that is held; Unread says why there are none.
	Reports map[string]*ledger.BudgetReport
	Unread  string
	// Exceeded are the calls that did not fit, as the gates told them.
	Exceeded map[control.BudgetAccount]control.BudgetCount
	// Forget are budgets that somebody reset since they were looked at, by name.
	Forget map[string]bool
}

// Held is what the gates hold calls to.
type Held struct {
	// Config as the file has it.
	Config ledger.Config
	// Generations of the TokenBudgets that it was made from, by name.
	Generations map[string]int64
	// Unwritten says why the file could not be written last; empty when it could.
	Unwritten string
}

// limit of a config by the names of its budget and itself; nil when there is none.
func (h *Held) limit(budget, name string) *ledger.Limit {
	for i := range h.Config.Budgets {
		if b := &h.Config.Budgets[i]; b.Name == budget {
			for j := range b.Limits {
				if b.Limits[j].Name == name {
					return &b.Limits[j]
				}
			}
		}
	}
	return nil
}
