package specs

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// targets tells whether a check with a schedule speaks of an object.
func (o *Check) targets(kind, name string) bool {
	refs := o.References()
	return o.Spec.Schedule != nil && len(refs) == 1 && refs[0].Kind == kind && refs[0].Name == name
}

// told is what a check says of its target, and why.
func (o *Check) told() (CheckVerdict, string) {
	switch passing := meta.FindStatusCondition(o.Status.Conditions, ConditionPassing); {
	case passing == nil || o.Status.ObservedGeneration != o.Generation:
		return CheckUnknown, "it has not run yet"
	case o.Status.Verdict != CheckPassing:
		return o.Status.Verdict, passing.Message
	}
	return CheckPassing, ""
}

// Condition that a check makes on its target.
func (s *CheckSpec) Condition() string {
	if s.Prompt != nil {
		return ConditionAligned
	}
	return ConditionHealthy
}

// CheckedConditions are what the checks with a schedule say of an object as conditions without times: Aligned of its prompts, Healthy of the
// others; none of which there is no check. The worst of them says most. An observedGeneration is the one that the object had at the oldest of
// their last runs.
func CheckedConditions(checks []*Check, kind, name string) []metav1.Condition {
	var out []metav1.Condition
	for _, typ := range []string{ConditionHealthy, ConditionAligned} {
		those := slices.DeleteFunc(slices.Clone(checks), func(o *Check) bool { return !o.targets(kind, name) || o.Spec.Condition() != typ })
		if len(those) > 0 {
			out = append(out, checkedCondition(typ, those))
		}
	}
	return out
}

func checkedCondition(typ string, checks []*Check) metav1.Condition {
	said := map[CheckVerdict][]string{}
	c := metav1.Condition{Type: typ}
	for i, o := range checks {
		verdict, why := o.told()
		said[verdict] = append(said[verdict], "check/"+o.Name+": "+why)
		generation := int64(0)
		if o.Status.LastRun != nil {
			generation = o.Status.LastRun.TargetGeneration
		}
		if i == 0 || generation < c.ObservedGeneration {
			c.ObservedGeneration = generation
		}
	}
	unknown := slices.Concat(said[CheckInconclusive], said[CheckUnknown])
	switch failing := said[CheckFailing]; {
	case len(failing) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, ReasonCheckFailing, checkText(failing)
	case len(unknown) > 0:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, ReasonCheckUnknown, checkText(unknown)
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, ReasonChecksPassing, fmt.Sprintf("%d of %d checks pass", len(checks), len(checks))
	}
	return c
}

// checkText names three of a list at most.
func checkText(list []string) string {
	const shown = 3
	if more := len(list) - shown; more > 0 {
		return strings.Join(list[:shown], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(list, "; ")
}
