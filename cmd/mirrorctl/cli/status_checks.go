package cli

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// checkStatus is a check that does not pass.
type checkStatus struct {
	Name    string             `json:"name"`
	Verdict specs.CheckVerdict `json:"verdict"`
	Message string             `json:"message,omitempty"`
	Since   metav1.Time        `json:"since,omitzero"`
}

// askChecks adds the checks that do not pass. One without a schedule says nothing before somebody asks it.
func (c *command) askChecks(ctx context.Context, a *statusAnswer) error {
	list, err := listOf[specs.Check](ctx, c, "")
	if err != nil {
		return err
	}
	for i := range list {
		o := &list[i]
		verdict := cmp.Or(o.Status.Verdict, specs.CheckUnknown)
		if verdict == specs.CheckPassing || verdict == specs.CheckUnknown && o.Spec.Schedule == nil {
			continue
		}
		s := checkStatus{Name: o.Name, Verdict: verdict, Message: "not looked at yet", Since: o.Status.Since}
		if p := meta.FindStatusCondition(o.Status.Conditions, specs.ConditionPassing); p != nil {
			s.Message = p.Message
		}
		a.Checks = append(a.Checks, s)
	}
	return nil
}

// printChecks prints a line for each check that does not pass.
func (c *command) printChecks(a *statusAnswer) {
	var rows [][]string
	for _, s := range a.Checks {
		rows = append(rows, []string{"check/" + s.Name, string(s.Verdict), oneLine(s.Message)})
	}
	columns(c.Out, nil, rows)
}
