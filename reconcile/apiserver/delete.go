package apiserver

import (
	"bytes"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sjson "sigs.k8s.io/json"

	"mirroros.dev/mirroros/reconcile"
	"mirroros.dev/mirroros/specs"
)

// errDryRun undoes a transaction that went well.
var errDryRun = errors.New("dry run")

// delete removes an object, or marks it as deleted while it has finalizers.
func (s *Server) delete(w http.ResponseWriter, r *request) error {
	o, err := r.deleteOptions()
	if err != nil {
		return err
	}
	var live, left specs.Object
	err = s.remove(r, func(t *reconcile.ClientTx) error {
		var ok bool
		if live, ok = t.Get(r.key()); !ok {
			return apierrors.NewNotFound(r.groupResource(), r.name)
		}
		if left, err = s.deleteOne(r, t, live, o); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	if left != nil {
		return s.answer(w, r, http.StatusOK, left)
	}
	return writeJSON(w, http.StatusOK, success(&metav1.StatusDetails{Name: r.name, Group: r.resource.group, Kind: r.resource.kind.Plural, UID: live.GetUID()}))
}

// deleteCollection removes all objects that the selectors pick, or none when one must not be removed.
func (s *Server) deleteCollection(w http.ResponseWriter, r *request) error {
	o, err := r.deleteOptions()
	if err != nil {
		return err
	}
	sel, err := r.selector()
	if err != nil {
		return err
	}
	err = s.remove(r, func(t *reconcile.ClientTx) error {
		for _, live := range match(t.List(r.resource.kind.Kind), sel) {
			if _, err := s.deleteOne(r, t, live, o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, success(&metav1.StatusDetails{Group: r.resource.group, Kind: r.resource.kind.Plural}))
}

// remove runs fn in a transaction, which a dry run undoes.
func (s *Server) remove(r *request, fn func(t *reconcile.ClientTx) error) error {
	_, err := s.o.Client.Txn(r.Context(), func(t *reconcile.ClientTx) error {
		if err := fn(t); err != nil {
			return err
		}
		if r.dryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
}

// deleteOne deletes an object and answers it when finalizers keep it for now.
func (s *Server) deleteOne(r *request, t *reconcile.ClientTx, live specs.Object, o *metav1.DeleteOptions) (left specs.Object, err error) {
	if p := o.Preconditions; p != nil {
		if p.UID != nil && *p.UID != live.GetUID() || p.ResourceVersion != nil && *p.ResourceVersion != live.GetResourceVersion() {
			return nil, apierrors.NewConflict(r.groupResource(), live.GetName(), errors.New("the object is another than, or newer than, the preconditions say"))
		}
	}
	if d := s.o.Declared; d != nil {
		if _, _, suspended, ok := d.Declared(r.resource.kind.Kind, live.GetName()); ok && !suspended {
			return nil, s.refuseDeclared(r, live, nil)
		}
	}
	k := reconcile.KeyOf(live)
	if err := t.Delete(k); err != nil {
		return nil, err
	}
	left, _ = t.Get(k)
	return left, nil
}

// deleteOptions come in the body and in the query; propagation is accepted: what an object made goes with it.
func (r *request) deleteOptions() (*metav1.DeleteOptions, error) {
	o := &metav1.DeleteOptions{}
	if r.ContentLength != 0 {
		b, err := r.body()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(b)) > 0 {
			if strict, err := k8sjson.UnmarshalStrict(b, o); err != nil || len(strict) > 0 {
				return nil, badRequest("cannot read the delete options: %v", errors.Join(append(strict, err)...))
			}
		}
	}
	for _, d := range o.DryRun {
		if d != metav1.DryRunAll {
			return nil, badRequest("cannot read the delete options: dryRun %q is not %q", d, metav1.DryRunAll)
		}
		r.dryRun = true
	}
	if p := o.PropagationPolicy; p != nil {
		switch *p {
		case metav1.DeletePropagationOrphan, metav1.DeletePropagationBackground, metav1.DeletePropagationForeground:
		default:
			return nil, badRequest("cannot read the delete options: propagationPolicy %q is not one", *p)
		}
	}
	return o, nil
}

func success(d *metav1.StatusDetails) *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess, Details: d}
}
