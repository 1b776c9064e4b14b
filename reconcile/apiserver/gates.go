package apiserver

import (
	"context"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// Gates issues tokens and explains decisions. An error that is store.ErrNotFound is told as such; others are refusals.
type Gates interface {
	// CreateToken makes a token that is in force when the call returns.
	CreateToken(ctx context.Context, principal string, a specs.TokenRequest) (*specs.IssuedToken, error)
	// Tokens that are valid, of a principal or of all, those of instances apart.
	Tokens(principal string) []specs.Token
	// RevokeTokens takes tokens away, all of the principal's when no ids are given; in force, for open streams too, when it returns.
	RevokeTokens(ctx context.Context, principal string, ids []string, by string) (revoked []string, err error)
	// Why explains what was decided about a request, by its id.
	Why(ctx context.Context, request string) (*specs.Explanation, error)
	// WhyPort and WhyPID say what listens on a port, and what a process belongs to.
	WhyPort(ctx context.Context, port int) (*specs.Belongs, error)
	WhyPID(ctx context.Context, pid int) (*specs.Belongs, error)
	// CanI says what would be decided.
	CanI(ctx context.Context, q specs.Question) (*specs.Explanation, error)
}

func (s *Server) createToken(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("tokens")
	}
	var a specs.TokenRequest
	if err := r.extra(&a); err != nil {
		return err
	}
	a.By = r.caller.name
	t, err := s.o.Gates.CreateToken(r.Context(), r.name, a)
	if err != nil {
		return worded(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	}
	return writeJSON(w, http.StatusCreated, t)
}

func (s *Server) tokens(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("tokens")
	}
	return writeJSON(w, http.StatusOK, struct {
		Items []specs.Token `json:"items"`
	}{s.o.Gates.Tokens(r.name)})
}

func (s *Server) revokeTokens(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("tokens")
	}
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := r.extra(&body); err != nil {
		return err
	}
	revoked, err := s.o.Gates.RevokeTokens(r.Context(), r.name, body.IDs, r.caller.name)
	if err != nil {
		return worded(err, http.StatusInternalServerError, metav1.StatusReasonInternalError)
	}
	return writeJSON(w, http.StatusOK, map[string][]string{"revoked": revoked})
}

func (s *Server) why(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("gates")
	}
	var answer any
	var err error
	switch what := r.parameters["what"]; what {
	case "request":
		answer, err = s.o.Gates.Why(r.Context(), r.name)
	case "port", "pid":
		n, bad := strconv.Atoi(r.name)
		if bad != nil {
			return badRequest("%q is no number of a %s", r.name, what)
		}
		if what == "port" {
			answer, err = s.o.Gates.WhyPort(r.Context(), n)
		} else {
			answer, err = s.o.Gates.WhyPID(r.Context(), n)
		}
	default:
		return badRequest("nobody knows why a %q: ask for a request, a port or a pid", what)
	}
	if err != nil {
		return worded(err, http.StatusInternalServerError, metav1.StatusReasonInternalError)
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) canI(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("gates")
	}
	var q specs.Question
	if err := r.extra(&q); err != nil {
		return err
	}
	e, err := s.o.Gates.CanI(r.Context(), q)
	if err != nil {
		return worded(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	}
	return writeJSON(w, http.StatusOK, e)
}
