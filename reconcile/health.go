package reconcile

import (
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Health is what the conditions of an object say of it as it is declared now, alike for every kind. What is said of an earlier generation
// does not count.
type Health struct {
	// Ready: it is as declared. Stalled: nothing will happen by itself. Suspended: somebody asked that it stops.
	Ready, Stalled, Suspended bool
	// Reason and Message of the condition that says so, or why it is not ready.
	Reason, Message string
}

// HealthOf reads the conditions Ready and Stalled, and observedGeneration.
func HealthOf(o store.Object) (h Health) {
	conds := ConditionsOf(o)
	if c := upToDate(conds, specs.ConditionReady, o.GetGeneration()); c != nil {
		h.Ready, h.Reason, h.Message = c.Status == metav1.ConditionTrue, c.Reason, c.Message
		h.Suspended = !h.Ready && c.Reason == specs.ReasonSuspended
	}
	if c := upToDate(conds, specs.ConditionStalled, o.GetGeneration()); c != nil && c.Status == metav1.ConditionTrue && !h.Ready {
		h.Stalled, h.Reason, h.Message = true, c.Reason, c.Message
	}
	return h
}

func upToDate(conds []metav1.Condition, typ string, generation int64) *metav1.Condition {
	c := meta.FindStatusCondition(conds, typ)
	if c == nil || c.ObservedGeneration != 0 && c.ObservedGeneration < generation {
		return nil
	}
	return c
}

// ConditionsOf answers status.conditions of an object; none when its kind has none.
func ConditionsOf(o store.Object) []metav1.Condition {
	switch o := o.(type) {
	case *specs.Process:
		return o.Status.Conditions
	case *specs.Stack:
		return o.Status.Conditions
	}
	status := reflect.Indirect(reflect.ValueOf(o)).FieldByName("Status")
	if !status.IsValid() || status.Kind() != reflect.Struct {
		return nil
	}
	f := status.FieldByName("Conditions")
	if !f.IsValid() {
		return nil
	}
	conds, _ := f.Interface().([]metav1.Condition)
	return conds
}
