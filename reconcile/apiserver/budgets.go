package apiserver

import (
	"context"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// Budgets tells what is used, by whom and when, and forgets it. An error that is store.ErrNotFound is told as such; others are refusals.
type Budgets interface {
	// Report tells how a TokenBudget stands now, for each of its accounts.
	Report(ctx context.Context, budget string) (*specs.BudgetReport, error)
	// History tells who took what when.
	History(ctx context.Context, budget string, q BudgetQuestion) (*specs.BudgetHistory, error)
	// Reset forgets what was used of a budget. It is on record with who and why, and in force when it returns.
	Reset(ctx context.Context, budget, reason, by string) error
	// Verify tells what is wrong in the ledger, derived anew.
	Verify(ctx context.Context) (*specs.BudgetFindings, error)
}

// BudgetQuestion asks for a history.
type BudgetQuestion struct {
	// By is principal, route or model.
	By string
	// Since how long ago, and in how many Steps at least one and at most 1000. Steps are no finer than the ledger keeps them.
	Since time.Duration
	Steps int
}

// Bounds of a history.
const (
	maxHistory      = 62 * 24 * time.Hour
	maxHistorySteps = 1000
)

func (s *Server) budgetReport(w http.ResponseWriter, r *request) error {
	if s.o.Budgets == nil {
		return noEndpoint("budgets")
	}
	return answered(w)(s.o.Budgets.Report(r.Context(), r.name))
}

func (s *Server) budgetHistory(w http.ResponseWriter, r *request) error {
	if s.o.Budgets == nil {
		return noEndpoint("budgets")
	}
	q := BudgetQuestion{By: r.query.Get("by"), Since: 24 * time.Hour, Steps: 60}
	switch q.By {
	case "":
		q.By = "principal"
	case "principal", "route", "model":
	default:
		return badRequest("a history is by principal, route or model, not by %q", q.By)
	}
	if v := r.query.Get("since"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < time.Second || d > maxHistory {
			return badRequest("since=%q: want a duration from 1s to %s, such as 12h", v, specs.ShortDuration(maxHistory))
		}
		q.Since = d
	}
	if v := r.query.Get("steps"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxHistorySteps {
			return badRequest("steps=%q: want a number from 1 to %d", v, maxHistorySteps)
		}
		q.Steps = n
	}
	return answered(w)(s.o.Budgets.History(r.Context(), r.name, q))
}

func (s *Server) resetBudget(w http.ResponseWriter, r *request) error {
	if s.o.Budgets == nil {
		return noEndpoint("budgets")
	}
	var body struct {
		Reason string `json:"reason"`
	}
	if err := r.extra(&body); err != nil {
		return err
	}
	if err := s.o.Budgets.Reset(r.Context(), r.name, body.Reason, r.caller.name); err != nil {
		return worded(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	}
	return writeJSON(w, http.StatusOK, map[string]string{"reset": r.name, "by": r.caller.name})
}

func (s *Server) verifyBudgets(w http.ResponseWriter, r *request) error {
	if s.o.Budgets == nil {
		return noEndpoint("budgets")
	}
	return answered(w)(s.o.Budgets.Verify(r.Context()))
}

// answered writes an answer or tells why there is none.
func answered(w http.ResponseWriter) func(answer any, err error) error {
	return func(answer any, err error) error {
		if err != nil {
			return worded(err, http.StatusInternalServerError, metav1.StatusReasonInternalError)
		}
		return writeJSON(w, http.StatusOK, answer)
	}
}
