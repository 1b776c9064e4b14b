package budget

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/controllers/budget/ledger"
	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// maxSpenders in a status.
const maxSpenders = 5

// stamp is a time as an object keeps it.
func stamp(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC()).Rfc3339Copy()
}

// usage says what is used.
func (o *observed) usage(b *specs.TokenBudget, report *ledger.BudgetReport, st *specs.TokenBudgetStatus) {
	first := ledger.AccountReport{}
	for i := range report.Accounts {
		if a := &report.Accounts[i]; slices.ContainsFunc(a.Limits, func(l ledger.LimitReport) bool { return l.Used > 0 || l.Reserved > 0 }) {
			st.Accounts++
		}
	}
	if len(report.Accounts) > 0 {
		first = report.Accounts[0]
	} else {
		first.Limits = unused(&b.Spec)
	}
	for i := range first.Limits {
		st.Limits = append(st.Limits, LimitStatus(&first.Limits[i], first.Principal, b.Spec.Currency()))
	}
	st.TopSpenders = Spenders(report, maxSpenders)
}

// exceeded says how many calls did not fit, as the gates tell, and when the last.
func (o *observed) exceeded(b *specs.TokenBudget, st *specs.TokenBudgetStatus) {
	st.LastExceeded = b.Status.LastExceeded
	for account, c := range o.Exceeded {
		if account.Budget != b.Name {
			continue
		}
		st.Exceeded += c.Exceeded
		if last := stamp(c.Last); last.After(st.LastExceeded.Time) {
			st.LastExceeded = last
		}
	}
}

// Spenders are at most so many of the top spenders, as a status tells them.
func Spenders(report *ledger.BudgetReport, most int) (out []specs.BudgetSpender) {
	if len(report.Accounts) == 0 || len(report.Accounts[0].Limits) == 0 {
		return nil
	}
	measure := report.Accounts[0].Limits[0].Measure
	for _, s := range report.TopSpenders[:min(len(report.TopSpenders), most)] {
		out = append(out, specs.BudgetSpender{Principal: s.Principal, Used: amount(measure, s.Used), Requests: s.Requests})
	}
	return out
}

// unused are the limits of a budget as they stand for somebody who has used nothing.
func unused(s *specs.TokenBudgetSpec) []ledger.LimitReport {
	out := make([]ledger.LimitReport, len(s.Limits))
	for i := range s.Limits {
		measure, n := s.Limits[i].Measure()
		out[i] = ledger.LimitReport{Name: s.Limits[i].Name, Measure: ledger.Measure(measure), Amount: n, Remaining: n}
	}
	return out
}

// LimitStatus says how a limit stands as a status does.
func LimitStatus(l *ledger.LimitReport, principal, currency string) specs.BudgetLimitStatus {
	st := specs.BudgetLimitStatus{Name: l.Name, Measure: string(l.Measure), Principal: principal, Limit: amount(l.Measure, l.Amount), Used: amount(l.Measure, l.Used),
		Reserved: amount(l.Measure, l.Reserved), Remaining: amount(l.Measure, l.Remaining), Reset: stamp(l.Reset), RunsOut: stamp(l.RunsOut)}
	if l.Measure == ledger.Cost {
		st.Currency = currency
	}
	if l.BurnPerHour > 0 {
		st.BurnPerHour = amount(l.Measure, l.BurnPerHour)
	}
	return st
}

// amount in a measure, as people write it.
func amount(m ledger.Measure, n int64) string {
	if m == ledger.Cost {
		return specs.FormatMoney(n)
	}
	return strconv.FormatInt(n, 10)
}

// unit of an amount, with a space before it.
func unit(m ledger.Measure, currency string) string {
	if m == ledger.Cost {
		return " " + currency
	}
	return " " + string(m)
}

// reachedText tells of a threshold.
func reachedText(b *specs.TokenBudget, principal string, l *ledger.LimitReport, percent int32) string {
	text := fmt.Sprintf("limit %s%s has reached %d %%: %s of %s%s", l.Name, of(principal), percent, amount(l.Measure, l.Used), amount(l.Measure, l.Amount), unit(l.Measure, b.Spec.Currency()))
	if percent == 100 {
		text = fmt.Sprintf("limit %s%s has no room for a call: %s of %s%s", l.Name, of(principal), amount(l.Measure, l.Used), amount(l.Measure, l.Amount), unit(l.Measure, b.Spec.Currency()))
	}
	if l.Reset.IsZero() {
		return text + "; it does not reset by itself"
	}
	return text + "; more from " + l.Reset.UTC().Format(time.RFC3339) + " on"
}

// of names the principal of an account; nothing for a shared one.
func of(principal string) string {
	if principal == "" {
		return ""
	}
	return " of " + principal
}

// date says since when a status has been so: it moves with what the status says, and not by itself.
func (o *observed) date(b *specs.TokenBudget, st *specs.TokenBudgetStatus) {
	was, is := b.Status, *st
	was.AsOf, is.AsOf, was.Conditions, is.Conditions = metav1.Time{}, metav1.Time{}, nil, nil
	if st.AsOf.IsZero() || !reflect.DeepEqual(was, is) {
		st.AsOf = stamp(o.Now)
	}
}

// verdict is a condition in words: whether, why, and a sentence.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
}

func verdictf(s metav1.ConditionStatus, reason, format string, args ...any) verdict {
	return verdict{s, reason, fmt.Sprintf(format, args...)}
}

func (o *observed) conditions(b *specs.TokenBudget, report *ledger.BudgetReport, st *specs.TokenBudgetStatus) {
	near, spent := o.limits(b.Name, report)
	refs := verdictf(metav1.ConditionTrue, specs.ReasonResolved, "what it refers to is there")
	if absent := o.Absent[b.Name]; len(absent) > 0 {
		refs = verdictf(metav1.ConditionFalse, specs.ReasonRefsNotFound, "no %s", strings.Join(absent, ", no "))
	}
	ready := o.ready(b)
	if refs.status != metav1.ConditionTrue {
		ready = refs
	}
	for _, c := range []struct {
		typ string
		verdict
	}{{specs.ConditionReady, ready}, {specs.ConditionNearLimit, near}, {specs.ConditionExhausted, spent}, {specs.ConditionResolvedRefs, refs}} {
		reconcile.SetCondition(&st.Conditions, metav1.Condition{Type: c.typ, Status: c.status, Reason: c.reason, Message: c.message,
			ObservedGeneration: b.Generation, LastTransitionTime: metav1.NewTime(o.Now)})
	}
}

// ready tells whether the gates hold calls to a budget.
func (o *observed) ready(b *specs.TokenBudget) verdict {
	if o.Held.Unwritten != "" {
		return verdictf(metav1.ConditionFalse, specs.ReasonSnapshotUnwritten, "%s; the gates go on with what they have", o.Held.Unwritten)
	}
	number, serving := o.Held.Config.Number, false
	for _, r := range o.Running {
		if r.Draining {
			continue
		}
		serving = true
		switch {
		case r.LedgerError != "":
			return verdictf(metav1.ConditionFalse, specs.ReasonLedgerUnreadable, "the gate's ledger does not work, so calls are refused: %s", r.LedgerError)
		case r.Budgets < number && r.Error != "":
			return verdictf(metav1.ConditionFalse, specs.ReasonSnapshotRefused, "the gate refuses the budgets: %s", r.Error)
		case r.Budgets < number:
			return verdictf(metav1.ConditionFalse, specs.ReasonSnapshotPending, "the gate runs earlier budgets; these are on their way")
		}
	}
	switch generation, ok := o.Held.Generations[b.Name]; {
	case !serving:
		return verdictf(metav1.ConditionUnknown, specs.ReasonWaitingForGate, "no gate tells what it holds calls to: see `mirrorctl describe process %s`", specs.SystemProcess)
	case !ok || generation < b.Generation:
		return verdictf(metav1.ConditionFalse, specs.ReasonSnapshotPending, "it is on its way to the gate")
	}
	return verdictf(metav1.ConditionTrue, specs.ReasonServing, "the gates hold calls to it")
}

// shown is how many limits a condition names.
const shown = 3

// limits tells whether thresholds are reached, and whether something is used up.
func (o *observed) limits(budget string, report *ledger.BudgetReport) (near, spent verdict) {
	if report == nil {
		why := cmp.Or(o.Unread, "nothing is known of it yet")
		unknown := verdictf(metav1.ConditionUnknown, specs.ReasonLedgerUnreadable, "%s; the status says what was known last", why)
		return unknown, unknown
	}
	var up, full []string
	for i := range report.Accounts {
		a := &report.Accounts[i]
		for j := range a.Limits {
			l := &a.Limits[j]
			if o.exhausted(budget, a.Principal, l) {
				full = append(full, l.Name+of(a.Principal))
			} else if p := o.reached(budget, a.Principal, l); p > 0 {
				up = append(up, fmt.Sprintf("%d %% of %s%s", p, l.Name, of(a.Principal)))
			}
		}
	}
	near = verdictf(metav1.ConditionFalse, specs.ReasonWithinLimits, "no threshold is reached of a limit that has something left")
	if len(up) > 0 {
		near = verdictf(metav1.ConditionTrue, specs.ReasonBudgetNearLimit, "used: %s", some(up))
	}
	spent = verdictf(metav1.ConditionFalse, specs.ReasonWithinLimits, "every limit has something left")
	if len(full) > 0 {
		spent = verdictf(metav1.ConditionTrue, specs.ReasonBudgetExhausted, "used up: %s", some(full))
	}
	return near, spent
}

// some of a list, and how many more there are.
func some(list []string) string {
	if more := len(list) - shown; more > 0 {
		return strings.Join(list[:shown], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(list, ", ")
}
