package apiserver

import (
	"crypto/rand"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"mirroros.dev/mirroros/specs"
)

// create adds the object of the body.
func (s *Server) create(w http.ResponseWriter, r *request) error {
	b, err := r.body()
	if err != nil {
		return err
	}
	o, err := r.decode(b)
	if err != nil {
		return err
	}
	if o.GetResourceVersion() != "" {
		return badRequest("resourceVersion should not be set on objects to be created")
	}
	if o.GetName() == "" && o.GetGenerateName() != "" {
		o.SetName(o.GetGenerateName() + strings.ToLower(rand.Text()[:5]))
	}
	out, err := s.add(r, o, updated)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusCreated, out)
}

// add checks and stores a new object.
func (s *Server) add(r *request, o specs.Object, how tracking) (specs.Object, error) {
	r.name = o.GetName()
	if _, ok := s.store().Get(r.key()); ok {
		return nil, apierrors.NewAlreadyExists(r.groupResource(), r.name)
	}
	clearStatus(o)
	o.SetUID("")
	o.SetSelfLink("")
	specs.Default(o)
	if how != applied {
		if err := s.track(r, nil, o, false); err != nil {
			return nil, err
		}
	}
	if err := s.check(r, o, nil); err != nil {
		return nil, err
	}
	if r.dryRun {
		return s.o.Client.PrepareCreate(o)
	}
	return s.o.Client.Create(r.Context(), o)
}
