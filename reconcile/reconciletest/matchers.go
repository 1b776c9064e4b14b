package reconciletest

import (
	"context"
	"fmt"
	"reflect"

	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
)

// HaveCondition matches an object, or a list of conditions, with the condition of a type, status and reason. An empty reason matches any.
func HaveCondition(typ, status, reason string) types.GomegaMatcher {
	return &haveCondition{typ, status, reason}
}

type haveCondition struct{ typ, status, reason string }

func (m *haveCondition) Match(actual any) (bool, error) {
	conds, err := conditionsOf(actual)
	if err != nil {
		return false, err
	}
	c := meta.FindStatusCondition(conds, m.typ)
	return c != nil && string(c.Status) == m.status && (m.reason == "" || c.Reason == m.reason), nil
}

func (m *haveCondition) FailureMessage(actual any) string { return m.message(actual, "to have") }

func (m *haveCondition) NegatedFailureMessage(actual any) string {
	return m.message(actual, "not to have")
}

func (m *haveCondition) message(actual any, verb string) string {
	conds, _ := conditionsOf(actual)
	text := ""
	for _, c := range conds {
		text += fmt.Sprintf("\n    %s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return fmt.Sprintf("Expected%s\n%s %s=%s %s", text, verb, m.typ, m.status, m.reason)
}

// conditionsOf finds the conditions in []metav1.Condition, or in Status.Conditions of a struct or a pointer to one.
func conditionsOf(actual any) ([]metav1.Condition, error) {
	if c, ok := actual.([]metav1.Condition); ok {
		return c, nil
	}
	v := reflect.Indirect(reflect.ValueOf(actual))
	if v.Kind() == reflect.Struct {
		if s := v.FieldByName("Status"); s.IsValid() && s.Kind() == reflect.Struct {
			if f := s.FieldByName("Conditions"); f.IsValid() {
				if c, ok := f.Interface().([]metav1.Condition); ok {
					return c, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("HaveCondition wants an object with status.conditions, got %T", actual)
}

// BeNoOp matches a func() or func() error that leaves the store as it is: no new revision, no error.
func BeNoOp(s *store.Store) types.GomegaMatcher { return &beNoOp{s: s} }

type beNoOp struct {
	s             *store.Store
	before, after int64
	err           error
	events        string
}

func (m *beNoOp) Match(actual any) (bool, error) {
	m.before = m.s.Rev()
	watch, watchErr := m.s.Watch(nil, m.before)
	if watchErr != nil {
		return false, watchErr
	}
	defer watch.Close()
	switch fn := actual.(type) {
	case func():
		fn()
	case func() error:
		m.err = fn()
	default:
		return false, fmt.Errorf("BeNoOp wants func() or func() error, got %T", actual)
	}
	m.after = m.s.Rev()
	if m.after != m.before {
		m.describe(watch)
	}
	return m.err == nil && m.after == m.before, nil
}

// describe notes what changed. A revision without events wrote blobs.
func (m *beNoOp) describe(w *store.Watch) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	events, _ := w.Next(ended)
	for _, e := range events {
		m.events += fmt.Sprintf("\n    %s %s", e.Type, store.Key{Kind: e.Kind, Namespace: e.Object.GetNamespace(), Name: e.Object.GetName()})
	}
}

func (m *beNoOp) FailureMessage(any) string {
	return fmt.Sprintf("Expected nothing to change; revision %d became %d, error %v%s", m.before, m.after, m.err, m.events)
}

func (m *beNoOp) NegatedFailureMessage(any) string {
	return fmt.Sprintf("Expected something to change; revision %d is still there", m.before)
}
