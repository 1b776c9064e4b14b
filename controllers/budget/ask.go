package budget

import (
	"fmt"
	"strings"
	"time"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/reconcile/audit"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Report reads the ledger now and tells how a budget stands; store.ErrNotFound when there is no such TokenBudget.
func (r *Reconciler) Report(name string) (*specs.TokenBudget, *ledger.BudgetReport, error) {
	b, ok := reconcile.Get[*specs.TokenBudget](r.o.Client, name)
	if !ok {
		return nil, nil, fmt.Errorf("cannot tell of TokenBudget %q: %w", name, store.ErrNotFound)
	}
	held := r.o.Held()
	if held.Config.Number == 0 {
		return b, nil, fmt.Errorf("cannot tell of TokenBudget %q: no gate has been here yet", name)
	}
	all, err := r.report(held.Config, r.o.Now())
	if err != nil {
		return b, nil, err
	}
	if all[name] == nil {
		return b, nil, fmt.Errorf("cannot tell of TokenBudget %q: it is on its way to the gate; try again in a moment", name)
	}
	return b, all[name], nil
}

// History tells who took what of a budget when.
func (r *Reconciler) History(name string, q ledger.HistoryQuery) ([]ledger.HistoryRow, error) {
	if _, _, err := r.Report(name); err != nil { // the history is as of it
		return nil, err
	}
	q.Budget = name
	rows, err := r.o.Ledger.History(q)
	if err != nil {
		return nil, fmt.Errorf("cannot tell the history of TokenBudget %q: %w", name, err)
	}
	return rows, nil
}

// maxReason of a reset, in bytes.
const maxReason = 500

// Reset makes a budget forget what was used, for all its accounts. It is on record, with who and why, before it is done.
func (r *Reconciler) Reset(name, reason, by string) error {
	b, ok := reconcile.Get[*specs.TokenBudget](r.o.Client, name)
	switch {
	case !ok:
		return fmt.Errorf("cannot reset TokenBudget %q: %w", name, store.ErrNotFound)
	case strings.TrimSpace(reason) == "":
		return fmt.Errorf("cannot reset TokenBudget %q: say why", name)
	case len(reason) > maxReason:
		return fmt.Errorf("cannot reset TokenBudget %q: the reason has more than %d bytes", name, maxReason)
	}
	record := &audit.Record{Kind: audit.KindChange, Reason: specs.ReasonBudgetReset, Text: fmt.Sprintf("tokenbudget %s reset by %s: %s", name, by, reason)}
	if err := r.o.Audit.Write(record, true); err != nil {
		return fmt.Errorf("cannot record the reset of TokenBudget %q, so it was not done: %w", name, err)
	}
	if err := r.o.Ledger.Reset(name, reason); err != nil {
		r.o.Audit.Post(&audit.Record{Kind: audit.KindChange, Reason: specs.ReasonBudgetReset, Text: fmt.Sprintf("tokenbudget %s was not reset, though %s asked: %v", name, by, err)})
		return fmt.Errorf("cannot reset TokenBudget %q: %w", name, err)
	}
	r.mu.Lock()
	r.forget[name] = true
	r.mu.Unlock()
	r.o.Recorder.Event(b, specs.EventNormal, specs.ReasonBudgetReset, fmt.Sprintf("reset by %s: %s", by, reason))
	r.Changed()
	return nil
}

// Verify derives everything in the ledger anew, and tells what is wrong.
func (r *Reconciler) Verify() (ledger.Findings, error) {
	f, err := r.o.Ledger.Verify(r.o.Held().Config)
	if err != nil {
		return f, fmt.Errorf("cannot verify the ledger: %w", err)
	}
	return f, nil
}

// Now is the clock that reports go by.
func (r *Reconciler) Now() time.Time { return r.o.Now() }
