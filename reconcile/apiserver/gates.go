package apiserver

import (
	"context"
	"net/http"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Gates issues tokens and explains decisions. An error that is store.ErrNotFound is told as such; others are refusals.
type Gates interface {
	// CreateToken makes a token that is in force when the call returns; text is nowhere else.
	CreateToken(ctx context.Context, principal string, a TokenRequest) (t Token, text string, err error)
	// Tokens that are valid, of a principal or of all, those of instances apart.
	Tokens(principal string) []Token
	// RevokeTokens takes tokens away, all of the principal's when no ids are given; in force, for open streams too, when it returns.
	RevokeTokens(ctx context.Context, principal string, ids []string, by string) (revoked []string, err error)
	// Why explains what was decided about a request, by its id.
	Why(ctx context.Context, request string) (*Explanation, error)
	// WhyPort and WhyPID say what listens on a port, and what a process belongs to.
	WhyPort(ctx context.Context, port int) (*Belongs, error)
	WhyPID(ctx context.Context, pid int) (*Belongs, error)
	// CanI says what would be decided.
	CanI(ctx context.Context, q Question) (*Explanation, error)
}

// TokenRequest is what is asked for. TTL 0 is as long as the principal may have one; Scope names routes, none is all.
type TokenRequest struct {
	TTL    metav1.Duration `json:"ttl,omitzero"`
	Scope  []string        `json:"scope,omitempty"`
	Reason string          `json:"reason,omitempty"`
	// By is who asks; the server says.
	By string `json:"-"`
}

// Token is what anybody may know of a token.
type Token struct {
	ID        string    `json:"id"`
	Principal string    `json:"principal"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Scope     []string  `json:"scope,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// Question is a request that nobody has made.
type Question struct {
	Principal string `json:"principal"`
	Route     string `json:"route"`
	// Target is a tool of an MCP server, or kind:name for resource and prompt.
	Target    string `json:"target,omitempty"`
	Model     string `json:"model,omitempty"`
	MaxTokens int64  `json:"maxTokens,omitempty"`
	Path      string `json:"path,omitempty"`
	Method    string `json:"method,omitempty"`
}

// Explanation is a decision with all that led to it.
type Explanation struct {
	Request   string    `json:"request,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	Principal string    `json:"principal"`
	Gate      string    `json:"gate,omitempty"`
	Route     string    `json:"route"`
	// Asked is what was asked for, in words.
	Asked string `json:"asked,omitempty"`
	// Decision is Allowed, Rewritten, Refused or Failed; Allowed tells whether rules allow it.
	Decision string `json:"decision"`
	Allowed  bool   `json:"allowed"`
	Stage    int    `json:"stage,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Snapshot int64  `json:"snapshot"`
	Revision string `json:"revision,omitempty"`
	// Status that the client got, and how long it took; 0 for what did not happen.
	Status       int   `json:"status,omitempty"`
	Milliseconds int64 `json:"ms,omitempty"`
	// Tried rules in their order.
	Tried []TriedRule `json:"tried,omitempty"`
	// Note says what else there is to know, such as that rules have changed since.
	Note string `json:"note,omitempty"`
}

// TriedRule is one rule and what became of it.
type TriedRule struct {
	Priority int32  `json:"priority"`
	Rule     string `json:"rule"`
	Place    string `json:"place,omitempty"`
	Action   string `json:"action"`
	Shadow   bool   `json:"shadow,omitempty"`
	Matched  bool   `json:"matched"`
	// Why it did not match; Nearest is the one that came nearest.
	Why     string `json:"why,omitempty"`
	Nearest bool   `json:"nearest,omitempty"`
}

// Belongs says what a port or a process belongs to.
type Belongs struct {
	// Object as kind/name, or empty when it is nothing of the operator's.
	Object string `json:"object,omitempty"`
	// Place that declares it.
	Place string `json:"place,omitempty"`
	// Text in a sentence.
	Text string `json:"text"`
	Why  string `json:"why,omitempty"`
}

func (s *Server) createToken(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("tokens")
	}
	var a TokenRequest
	if err := r.extra(&a); err != nil {
		return err
	}
	a.By = r.caller.name
	t, text, err := s.o.Gates.CreateToken(r.Context(), r.name, a)
	if err != nil {
		return worded(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	}
	return writeJSON(w, http.StatusCreated, struct {
		Token
		Text string `json:"token"`
	}{t, text})
}

func (s *Server) tokens(w http.ResponseWriter, r *request) error {
	if s.o.Gates == nil {
		return noEndpoint("tokens")
	}
	return writeJSON(w, http.StatusOK, struct {
		Items []Token `json:"items"`
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
	var q Question
	if err := r.extra(&q); err != nil {
		return err
	}
	e, err := s.o.Gates.CanI(r.Context(), q)
	if err != nil {
		return worded(err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	}
	return writeJSON(w, http.StatusOK, e)
}
