package specs

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Default fills in what the check leaves out.
func (o *Check) Default() {
	s := &o.Spec
	orPointer(&s.Timeout, metav1.Duration{Duration: 5 * time.Second})
	orPointer(&s.Interval, metav1.Duration{Duration: time.Second})
	orPointer(&s.Count, 1)
	orPointer(&s.FailureLimit, 0)
	if p := s.Prompt; p != nil {
		orPointer(&p.MaxTokens, 64)
	}
	if h := s.Handler(); h != nil {
		h.setDefaults()
	}
}

// Handler is the action of a check that is one of a probe too; nil when it has another. It shares what it points to with the check.
func (s *CheckSpec) Handler() *Handler {
	if s.HTTPGet == nil && s.TCPSocket == nil && s.Exec == nil {
		return nil
	}
	return &Handler{HTTPGet: s.HTTPGet, TCPSocket: s.TCPSocket, Exec: s.Exec}
}

// Longest is how long a run can take.
func (s *CheckSpec) Longest() time.Duration {
	n := time.Duration(*s.Count)
	return n*s.Timeout.Duration + (n-1)*s.Interval.Duration
}

// References to its target.
func (o *Check) References() []Ref {
	switch t := o.Spec.Target; {
	case t.Process != "":
		return []Ref{{FromField: "spec.target.process", Kind: "Process", Name: t.Process}}
	case t.Route != "":
		return []Ref{{FromField: "spec.target.route", Kind: "Route", Name: t.Route}}
	}
	return nil
}
