package process

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditions builds a list of conditions. One whose status is as before keeps its time; one that is not set is gone. As long as nothing
// differs from the old list it is that list, and costs nothing.
type conditions struct {
	now        time.Time
	generation int64
	old        []metav1.Condition
	list       []metav1.Condition // nil while the first n of old are what is set
	n          int
}

func (c *conditions) set(kind string, is bool, reason, message string) {
	status := metav1.ConditionFalse
	if is {
		status = metav1.ConditionTrue
	}
	c.put(metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: c.generation})
}

// put sets a condition that has all but its time.
func (c *conditions) put(n metav1.Condition) {
	if c.list == nil && c.n < len(c.old) {
		if o := &c.old[c.n]; o.Type == n.Type && o.Status == n.Status && o.Reason == n.Reason && o.Message == n.Message && o.ObservedGeneration == n.ObservedGeneration {
			c.n++
			return
		}
	}
	if c.list == nil {
		c.list = append(make([]metav1.Condition, 0, len(c.old)+1), c.old[:c.n]...)
	}
	if i := slices.IndexFunc(c.old, func(o metav1.Condition) bool { return o.Type == n.Type }); i >= 0 && c.old[i].Status == n.Status {
		n.LastTransitionTime = c.old[i].LastTransitionTime
	} else {
		n.LastTransitionTime = *seconds(c.now)
	}
	c.list = append(c.list, n)
}

// done is the list.
func (c *conditions) done() []metav1.Condition {
	if c.list == nil {
		return c.old[:c.n:c.n]
	}
	return c.list
}

func conditionTrue(list []metav1.Condition, kind string) bool {
	i := slices.IndexFunc(list, func(c metav1.Condition) bool { return c.Type == kind })
	return i >= 0 && list[i].Status == metav1.ConditionTrue
}

// sameConditions compares what conditions say; times by their value.
func sameConditions(a, b []metav1.Condition) bool {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return true
	}
	return slices.EqualFunc(a, b, func(x, y metav1.Condition) bool {
		return x.Type == y.Type && x.Status == y.Status && x.Reason == y.Reason && x.Message == y.Message &&
			x.ObservedGeneration == y.ObservedGeneration && x.LastTransitionTime.Equal(&y.LastTransitionTime)
	})
}
