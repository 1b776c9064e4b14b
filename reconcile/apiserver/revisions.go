package apiserver

import (
	"net/http"

	"mirroros.dev/mirroros/specs"
)

// revisions lists what is kept of a stack.
func (s *Server) revisions(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("revisions")
	}
	list, err := s.o.Stacks.Revisions(r.name)
	if err != nil {
		return stackError(err)
	}
	return writeJSON(w, http.StatusOK, list)
}

// revision answers the documents of one revision.
func (s *Server) revision(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("revisions")
	}
	m, faults, err := s.o.Stacks.Manifests(r.name, r.parameters["revision"])
	switch {
	case err != nil:
		return stackError(err)
	case len(faults) > 0:
		return refuseFaults(r, faults)
	}
	return writeJSON(w, http.StatusOK, m)
}

// revisionDiff answers what two revisions have differently.
func (s *Server) revisionDiff(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("revisions")
	}
	d, faults, err := s.o.Stacks.Differences(r.name, r.parameters["revision"], r.parameters["to"])
	switch {
	case err != nil:
		return stackError(err)
	case len(faults) > 0:
		return refuseFaults(r, faults)
	}
	return writeJSON(w, http.StatusOK, d)
}

// undo puts an older revision in force.
func (s *Server) undo(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("revisions")
	}
	var a specs.UndoRequest
	if err := r.extra(&a); err != nil {
		return err
	}
	a.By = r.caller.name
	u, faults, err := s.o.Stacks.Undo(r.Context(), r.name, a)
	switch {
	case err != nil:
		return stackError(err)
	case len(faults) > 0:
		return refuseFaults(r, faults)
	}
	return writeJSON(w, http.StatusOK, u)
}

// retry puts in force what the files hold though somebody went back from it.
func (s *Server) retry(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("revisions")
	}
	revision, message, err := s.o.Stacks.Retry(r.Context(), r.name, r.caller.name)
	if err != nil {
		return stackError(err)
	}
	return writeJSON(w, http.StatusOK, map[string]string{"revision": revision, "message": message})
}

// steer pauses, resumes or aborts a rollout.
func (s *Server) steer(w http.ResponseWriter, r *request) error {
	if s.o.Stacks == nil {
		return noEndpoint("rollouts")
	}
	action := specs.RolloutAction(r.parameters["action"])
	switch action {
	case specs.RolloutPause, specs.RolloutResume, specs.RolloutAbort, specs.RolloutRestart, specs.RolloutConfirm:
	default:
		return badRequest("a rollout cannot %q: pause, resume, abort, restart or confirm", action)
	}
	message, faults, err := s.o.Stacks.Steer(r.Context(), r.name, action, r.caller.name)
	switch {
	case err != nil:
		return stackError(err)
	case len(faults) > 0:
		return refuseFaults(r, faults)
	}
	return writeJSON(w, http.StatusOK, map[string]string{"message": message})
}
