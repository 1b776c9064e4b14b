package apiserver

import (
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "k8s.io/apimachinery/pkg/util/json"

	"mirroros.dev/mirroros/specs"
)

// application is a server-side apply.
type application struct {
	s       *Server
	r       *request
	applied *unstructured.Unstructured
	typed   specs.Object
}

// applyPatch merges what a manager wants into the object, and makes the object when there is none.
func (s *Server) applyPatch(w http.ResponseWriter, r *request) error {
	a, err := s.application(r)
	if err != nil {
		return err
	}
	for range attempts {
		if _, ok := s.store().Get(r.key()); ok {
			out, err := s.modify(r, applied, a.onto)
			if apierrors.IsNotFound(err) {
				continue // it was deleted meanwhile
			}
			if err != nil {
				return err
			}
			return s.answer(w, r, http.StatusOK, out)
		}
		out, err := a.create()
		if apierrors.IsAlreadyExists(err) {
			continue // it was created meanwhile
		}
		if err != nil {
			return err
		}
		return s.answer(w, r, http.StatusCreated, out)
	}
	return apierrors.NewConflict(r.groupResource(), r.name, fmt.Errorf("it comes and goes; try again"))
}

func (s *Server) application(r *request) (*application, error) {
	if r.manager == "" {
		return nil, badRequest("fieldManager is required for apply patch")
	}
	b, err := r.bytes()
	if err == nil {
		b, err = toJSON(b)
	}
	if err != nil {
		return nil, err
	}
	a := &application{s: s, r: r, applied: &unstructured.Unstructured{}}
	if a.typed, err = r.decode(b); err != nil {
		return nil, err
	}
	if n := a.typed.GetName(); n != "" && n != r.name {
		return nil, badRequest("the name in the object is %q, and that in the URL %q", n, r.name)
	}
	if err := kjson.Unmarshal(b, &a.applied.Object); err != nil {
		return nil, badRequest("cannot read the body: %v", err)
	}
	delete(a.applied.Object, "status")
	m, ok := a.applied.Object["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		a.applied.Object["metadata"] = m
	}
	m["name"] = r.name
	for k, v := range m {
		if v == nil { // typed clients send creationTimestamp: null
			delete(m, k)
		}
	}
	return a, nil
}

// onto merges into the live object. What a Stack's file declares has no manager: it cannot be in conflict here, and is protected by the
// check for declared fields.
func (a *application) onto(live specs.Object) (specs.Object, error) {
	u, err := toUnstructured(live)
	if err != nil {
		return nil, err
	}
	owned := live.GetLabels()[specs.LabelStack] != "" && len(live.GetManagedFields()) == 0
	next, err := a.merge(u, a.r.force || owned)
	if err == nil && owned {
		dropMadeUp(next)
	}
	return next, err
}

func (a *application) create() (specs.Object, error) {
	if uid := a.typed.GetUID(); uid != "" {
		return nil, apierrors.NewConflict(a.r.groupResource(), a.r.name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", uid))
	}
	if a.typed.GetResourceVersion() != "" {
		return nil, apierrors.NewNotFound(a.r.groupResource(), a.r.name)
	}
	empty, err := oneVersion{}.New(a.r.resource.gvk())
	if err != nil {
		return nil, err
	}
	next, err := a.merge(empty.(*unstructured.Unstructured), a.r.force)
	if err != nil {
		return nil, err
	}
	return a.s.add(a.r, next, applied)
}

func (a *application) merge(live *unstructured.Unstructured, force bool) (specs.Object, error) {
	fm, err := managedBy(a.r, false)
	if err != nil {
		return nil, err
	}
	merged, err := fm.Apply(live, a.applied.DeepCopy(), a.r.manager, force)
	if err != nil {
		if _, told := err.(apierrors.APIStatus); told {
			return nil, err
		}
		return nil, badRequest("cannot apply: %v", err)
	}
	b, err := kjson.Marshal(merged.(*unstructured.Unstructured).Object)
	if err != nil {
		return nil, fmt.Errorf("cannot write what was merged: %w", err)
	}
	next, err := a.r.decode(b)
	if err != nil {
		return nil, err
	}
	next.SetName(a.r.name)
	return next, nil
}
