package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mirroros.dev/mirroros/reconcile/apiserver"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// budgetsFixture are budgets that know what the files of the script say: report.json, history.json and findings.json. What is reset it writes
// into resets.txt.
type budgetsFixture struct{ *fixture }

func readAs[T any](f *fixture, name string) (*T, error) {
	v := new(T)
	b, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	return v, json.Unmarshal(b, v)
}

func (b *budgetsFixture) there(name string) error {
	if _, ok := b.client.Store().Get(store.Key{Kind: "TokenBudget", Name: name}); !ok {
		return fmt.Errorf("cannot tell of TokenBudget %q: %w", name, store.ErrNotFound)
	}
	return nil
}

func (b *budgetsFixture) Report(_ context.Context, name string) (*specs.BudgetReport, error) {
	if err := b.there(name); err != nil {
		return nil, err
	}
	return readAs[specs.BudgetReport](b.fixture, "report.json")
}

func (b *budgetsFixture) History(_ context.Context, name string, q apiserver.BudgetQuestion) (*specs.BudgetHistory, error) {
	if err := b.there(name); err != nil {
		return nil, err
	}
	h, err := readAs[specs.BudgetHistory](b.fixture, "history.json")
	if err == nil {
		h.By = q.By
		h.Since = h.Until.Add(-q.Since)
	}
	return h, err
}

func (b *budgetsFixture) Reset(_ context.Context, name, reason, by string) error {
	if err := b.there(name); err != nil {
		return err
	}
	who, _, _ := strings.Cut(by, " ")
	return os.WriteFile(filepath.Join(b.dir, "resets.txt"), []byte(name+": "+reason+"; somebody: "+fmt.Sprint(who != "")+"\n"), 0o600)
}

func (b *budgetsFixture) Verify(context.Context) (*specs.BudgetFindings, error) {
	return readAs[specs.BudgetFindings](b.fixture, "findings.json")
}
