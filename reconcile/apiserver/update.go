package apiserver

import (
	"net/http"
	"sync"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// update puts the object of the body in place of the live one.
func (s *Server) update(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	o, err := r.decode(b)
	if err != nil {
		return err
	}
	out, err := s.modify(r, updated, func(specs.Object) (specs.Object, error) { return specs.Copy(o), nil })
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, out)
}

// patch changes the live object as the body says: a merge patch, a JSON patch, or a server-side apply.
func (s *Server) patch(w http.ResponseWriter, r *request) error {
	if r.mediaType() == typeApplyPatch {
		return s.applyPatch(w, r)
	}
	p, err := r.patch()
	if err != nil {
		return err
	}
	out, err := s.modify(r, updated, func(live specs.Object) (specs.Object, error) {
		before, err := specs.Marshal(live)
		if err != nil {
			return nil, err
		}
		after, err := p(before)
		if err != nil {
			return nil, err
		}
		return r.decode(after)
	})
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, out)
}

const (
	// maxPatchOperations bounds a JSON patch, maxPatchGrowth what its copies may add.
	maxPatchOperations = 10000
	maxPatchGrowth     = maxBody
)

// limitPatches bounds what the copies of one JSON patch may add; the library has that for all of a program.
var limitPatches = sync.OnceFunc(func() { jsonpatch.AccumulatedCopySizeLimit = maxPatchGrowth })

// patch reads a patch of JSON from the body.
func (r *request) patch() (func(before []byte) ([]byte, error), error) {
	mt := r.mediaType()
	if mt != typeMergePatch && mt != typeJSONPatch {
		return nil, r.unsupported(typeJSONPatch, typeMergePatch, typeApplyPatch)
	}
	b, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if mt == typeMergePatch {
		return func(before []byte) ([]byte, error) {
			after, err := jsonpatch.MergePatch(before, b)
			if err != nil {
				return nil, badRequest("cannot read the merge patch: %v", err)
			}
			return after, nil
		}, nil
	}
	p, err := jsonpatch.DecodePatch(b)
	if err != nil {
		return nil, badRequest("cannot read the JSON patch: %v", err)
	}
	if len(p) > maxPatchOperations {
		return nil, statusError(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, "a JSON patch has at most 10000 operations")
	}
	return func(before []byte) ([]byte, error) {
		after, err := p.Apply(before)
		if err != nil {
			return nil, statusError(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "cannot apply the JSON patch: "+err.Error())
		}
		return after, nil
	}, nil
}

// refuseStatus refuses to write what the operator observes.
func (s *Server) refuseStatus(_ http.ResponseWriter, r *request) error {
	return statusError(http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed,
		"the status of "+r.resource.kind.Plural+" is written by the operator only; change the spec")
}
