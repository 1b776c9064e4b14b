package apiserver

import (
	"encoding/json"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// CheckStep is a line of what a run of a check answers: a measurement, or, as the last one, the run or why there is none.
type CheckStep struct {
	Measurement *specs.CheckMeasurement `json:"measurement,omitempty"`
	Run         *specs.CheckRun         `json:"run,omitempty"`
	Error       string                  `json:"error,omitempty"`
}

// runCheck runs a check, and writes each measurement as a line of JSON when it is made.
func (s *Server) runCheck(w http.ResponseWriter, r *request) error {
	if s.o.Checks == nil {
		return noEndpoint("checks")
	}
	if err := r.extra(&struct{}{}); err != nil {
		return err
	}
	control, begun := http.NewResponseController(w), false
	write := func(step CheckStep) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set("X-Content-Type-Options", "nosniff")
		}
		defer within(control, s.o.RequestTime)()
		if err := json.NewEncoder(w).Encode(step); err != nil {
			return ended(err)
		}
		return ended(control.Flush())
	}
	run, err := s.o.Checks(r.Context(), r.name, func(m specs.CheckMeasurement) {
		_ = write(CheckStep{Measurement: &m}) // a client that went is told by the context
	})
	switch {
	case err != nil && begun:
		return write(CheckStep{Error: err.Error()})
	case err != nil:
		return worded(err, http.StatusConflict, metav1.StatusReasonConflict)
	}
	return write(CheckStep{Run: &run})
}
