package process

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditions builds a list of conditions. One whose status is as before keeps its time; one that is not set is gone.
type conditions struct {
	now        time.Time
	generation int64
	old        []metav1.Condition
	list       []metav1.Condition
}

func (c *conditions) set(kind string, is bool, reason, message string) {
	n := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: c.generation}
	if is {
		n.Status = metav1.ConditionTrue
	}
	if i := slices.IndexFunc(c.old, func(o metav1.Condition) bool { return o.Type == kind }); i >= 0 && c.old[i].Status == n.Status {
		n.LastTransitionTime = c.old[i].LastTransitionTime
	} else {
		n.LastTransitionTime = *seconds(c.now)
	}
	if c.list == nil {
		c.list = make([]metav1.Condition, 0, max(len(c.old), 2))
	}
	c.list = append(c.list, n)
}

func conditionTrue(list []metav1.Condition, kind string) bool {
	i := slices.IndexFunc(list, func(c metav1.Condition) bool { return c.Type == kind })
	return i >= 0 && list[i].Status == metav1.ConditionTrue
}

// sameConditions compares what conditions say; times by their value.
func sameConditions(a, b []metav1.Condition) bool {
	return slices.EqualFunc(a, b, func(x, y metav1.Condition) bool {
		return x.Type == y.Type && x.Status == y.Status && x.Reason == y.Reason && x.Message == y.Message &&
			x.ObservedGeneration == y.ObservedGeneration && x.LastTransitionTime.Equal(&y.LastTransitionTime)
	})
}
