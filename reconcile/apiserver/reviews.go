package apiserver

import (
	"errors"
	"net/http"

	k8sjson "sigs.k8s.io/json"
)

// review answers a question of a client about itself. Whoever gets here may do everything, so what was asked does not matter: clients that
// ask in protobuf are not even read.
func (s *Server) review(w http.ResponseWriter, r *request, apiVersion, kind string, status any) error {
	out := map[string]any{}
	if r.mediaType() == typeProtobuf {
		if _, err := r.bytes(); err != nil {
			return err
		}
	} else {
		b, err := r.body()
		if err != nil {
			return err
		}
		if err := k8sjson.UnmarshalCaseSensitivePreserveInts(b, &out); err != nil || out == nil {
			return badRequest("cannot read the body: %v", errors.Join(err, errors.New("it must be an object")))
		}
	}
	out["apiVersion"], out["kind"], out["status"] = apiVersion, kind, status
	if out["spec"] == nil {
		out["spec"] = map[string]any{}
	}
	out["metadata"] = map[string]any{}
	return writeJSON(w, http.StatusCreated, out)
}

func (s *Server) reviewAccess(w http.ResponseWriter, r *request) error {
	return s.review(w, r, "authorization.k8s.io/v1", "SelfSubjectAccessReview",
		map[string]any{"allowed": true, "reason": "root, the operator's user and the holder of its token may do everything"})
}

func (s *Server) reviewRules(w http.ResponseWriter, r *request) error {
	all := []string{"*"}
	return s.review(w, r, "authorization.k8s.io/v1", "SelfSubjectRulesReview", map[string]any{
		"resourceRules":    []any{map[string]any{"verbs": all, "apiGroups": all, "resources": all}},
		"nonResourceRules": []any{map[string]any{"verbs": all, "nonResourceURLs": all}}, "incomplete": false})
}

func (s *Server) reviewSelf(w http.ResponseWriter, r *request) error {
	return s.review(w, r, "authentication.k8s.io/v1", "SelfSubjectReview",
		map[string]any{"userInfo": map[string]any{"username": r.caller.name, "groups": []string{"admins"}}})
}
