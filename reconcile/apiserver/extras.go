package apiserver

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sjson "sigs.k8s.io/json"

	"mirroros.dev/mirroros/reconcile/plan"
	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// source answers where the file that declares an object is.
func (s *Server) source(w http.ResponseWriter, r *request) error {
	if _, err := s.live(r); err != nil {
		return err
	}
	if s.o.Source != nil {
		if at, ok := s.o.Source(r.resource.kind.Kind, r.name); ok {
			return writeJSON(w, http.StatusOK, at)
		}
	}
	return statusError(http.StatusNotFound, metav1.StatusReasonNotFound,
		strings.ToLower(r.resource.kind.Kind)+"/"+r.name+" is declared in no file: it was made through the API")
}

// extra reads a body that is no object of a kind. No body is an empty one.
func (r *request) extra(into any) error {
	b, err := r.body()
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return err
	}
	if strict, err := k8sjson.UnmarshalStrict(b, into); err != nil || len(strict) > 0 {
		return badRequest("cannot read the body: %v", errors.Join(append(strict, err)...))
	}
	return nil
}

// planned is a plan, and the same as text for people.
type planned struct {
	*plan.Plan
	Text string `json:"text,omitempty"`
}

// plan says what bringing a stack to its files, or to those of the body, would do.
func (s *Server) plan(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("plans")
	}
	var body struct {
		Files map[string]string `json:"files"`
	}
	if err := r.extra(&body); err != nil {
		return err
	}
	p, faults, err := s.o.Stacks.Plan(r.Context(), r.name, body.Files)
	switch {
	case err != nil:
		return stackError(err)
	case len(faults) > 0:
		return refuseFaults(r, faults)
	}
	out := planned{Plan: p}
	if t, ok := any(p).(interface{ Text() string }); ok {
		out.Text = t.Text()
	}
	return writeJSON(w, http.StatusOK, out)
}

// refuseFaults tells every fault of a set of files, with its place as the field of a cause.
func refuseFaults(r *request, faults []specs.Fault) error {
	e := statusError(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "the files are refused; nothing changed")
	e.ErrStatus.Details = &metav1.StatusDetails{Name: r.name, Group: r.resource.group, Kind: r.resource.kind.Plural}
	for _, f := range faults {
		place := strings.TrimRight(strings.TrimSuffix(f.String(), f.Message), ": ")
		e.ErrStatus.Details.Causes = append(e.ErrStatus.Details.Causes,
			metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: place, Message: f.Message})
	}
	return e
}

// stackError words a plan that no longer fits as its own conflict: the object itself is not what changed. Whoever applies a stack is told
// what went wrong.
func stackError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return statusError(http.StatusConflict, metav1.StatusReasonConflict, err.Error())
	}
	return worded(err, http.StatusInternalServerError, metav1.StatusReasonInternalError)
}

// apply brings a stack to what is on disk.
func (s *Server) apply(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("stacks to apply")
	}
	var body struct {
		Plan  string `json:"plan"`
		Prune bool   `json:"prune"`
		// ConfirmWithin goes back unless it is confirmed within this time.
		ConfirmWithin metav1.Duration `json:"confirmWithin"`
	}
	if err := r.extra(&body); err != nil {
		return err
	}
	revision, message, err := s.o.Stacks.Apply(r.Context(), r.name, body.Plan, body.Prune, r.caller.name, body.ConfirmWithin.Duration)
	if err != nil {
		return stackError(err)
	}
	return writeJSON(w, http.StatusOK, map[string]string{"revision": revision, "message": message})
}

// reload makes a process read its configuration again.
func (s *Server) reload(w http.ResponseWriter, r *request) error {
	if s.o.Reload == nil {
		return noEndpoint("reload")
	}
	if _, err := s.live(r); err != nil {
		return err
	}
	if err := s.o.Reload(r.Context(), r.name); err != nil {
		return worded(err, http.StatusConflict, metav1.StatusReasonConflict)
	}
	return writeJSON(w, http.StatusOK, success(&metav1.StatusDetails{Name: r.name, Group: r.resource.group, Kind: r.resource.kind.Plural}))
}

// host describes the operator.
func (s *Server) host(w http.ResponseWriter, r *request) error {
	if s.o.Host == nil {
		return noEndpoint("host")
	}
	return writeJSON(w, http.StatusOK, s.o.Host.Info(r.Context()))
}

// shutdown begins to stop everything.
func (s *Server) shutdown(w http.ResponseWriter, r *request) error {
	if s.o.Host == nil {
		return noEndpoint("host")
	}
	if err := s.o.Host.Shutdown(r.Context()); err != nil {
		return err
	}
	s.o.Log.Info("shutting down, as asked", "caller", r.caller.name)
	return writeJSON(w, http.StatusAccepted, success(nil))
}
