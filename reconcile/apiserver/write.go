package apiserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// attempts of a write whose object others change meanwhile.
const attempts = 20

// tracking says how managedFields come into an object.
type tracking int

const (
	// updated: they follow from what differs.
	updated tracking = iota
	// scaled: the same, through the subresource scale.
	scaled
	// applied: they are there already.
	applied
)

// modify is every change of an object that is there: edit makes of the live object the one to be, which goes through the same checks and
// is stored. Others may write meanwhile, and then edit is asked again. It answers the object as stored; the live one when nothing changes.
func (s *Server) modify(r *request, how tracking, edit func(live specs.Object) (specs.Object, error)) (specs.Object, error) {
	for range attempts {
		live, ok := s.store().Get(r.key())
		if !ok {
			return nil, apierrors.NewNotFound(r.groupResource(), r.name)
		}
		out, again, err := s.change(r, live, how, edit)
		if !again {
			return out, err
		}
	}
	return nil, apierrors.NewConflict(r.groupResource(), r.name, errors.New("it changes all the time; try again"))
}

// change tries once; again when somebody else was first.
func (s *Server) change(r *request, live specs.Object, how tracking, edit func(specs.Object) (specs.Object, error)) (out specs.Object, again bool, err error) {
	next, err := edit(live)
	if err != nil {
		return nil, false, err
	}
	if err := s.settle(r, live, next, how); err != nil {
		return nil, false, err
	}
	out, err = s.o.Client.PrepareUpdate(live, next)
	if err != nil || out == live {
		return out, false, err
	}
	if err := s.check(r, out, live); err != nil || r.dryRun {
		return out, false, err
	}
	out, err = s.o.Client.Update(r.Context(), out)
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		return nil, true, nil
	}
	return out, false, err
}

// settle brings next in order: its metadata that no client writes, its defaults and its managers.
func (s *Server) settle(r *request, live, next specs.Object, how tracking) error {
	if err := current(r, live, next); err != nil {
		return err
	}
	next.SetResourceVersion(live.GetResourceVersion())
	next.SetUID(live.GetUID())
	next.SetGenerateName(live.GetGenerateName())
	next.SetCreationTimestamp(live.GetCreationTimestamp())
	next.SetDeletionTimestamp(live.GetDeletionTimestamp())
	next.SetDeletionGracePeriodSeconds(live.GetDeletionGracePeriodSeconds())
	next.SetGeneration(live.GetGeneration())
	next.SetSelfLink("")
	clearStatus(next)
	keepStack(live, next)
	specs.Default(next)
	switch how {
	case updated:
		return s.track(r, live, next, false)
	case scaled:
		return s.track(r, live, next, true)
	}
	return nil
}

// current refuses an object that is another than, or older than, the live one.
func current(r *request, live, next specs.Object) error {
	switch {
	case next.GetName() != r.name:
		return badRequest("the name in the object is %q, and that in the URL %q", next.GetName(), r.name)
	case next.GetResourceVersion() != "" && next.GetResourceVersion() != live.GetResourceVersion():
		return store.ErrConflict
	case next.GetUID() != "" && next.GetUID() != live.GetUID():
		return apierrors.NewConflict(r.groupResource(), r.name,
			fmt.Errorf("Precondition failed: UID in precondition: %s, UID in object meta: %s", next.GetUID(), live.GetUID()))
	}
	return nil
}

// keepStack keeps the label that says which Stack owns an object, where the client left it out.
func keepStack(live, next specs.Object) {
	stack, ok := live.GetLabels()[specs.LabelStack]
	if _, given := next.GetLabels()[specs.LabelStack]; ok && !given {
		l := map[string]string{specs.LabelStack: stack}
		for k, v := range next.GetLabels() {
			l[k] = v
		}
		next.SetLabels(l)
	}
}

// check refuses what must not be stored. live is nil when it is new.
func (s *Server) check(r *request, next, live specs.Object) error {
	if live != nil {
		if err := s.undeclared(r, live, next); err != nil {
			return err
		}
	}
	faults := specs.Validate(next)
	faults = append(faults, checkMeta(next, live)...)
	if len(faults) == 0 && s.o.Admit != nil {
		faults = s.o.Admit(next, live)
	}
	if len(faults) > 0 {
		return apierrors.NewInvalid(r.resource.gvk().GroupKind(), next.GetName(), faults[:min(len(faults), maxCauses)])
	}
	return nil
}

// checkMeta checks the metadata that manifests cannot have, and whose an object says it is.
func checkMeta(next, live specs.Object) field.ErrorList {
	at := field.NewPath("metadata")
	faults := apivalidation.ValidateFinalizers(next.GetFinalizers(), at.Child("finalizers"))
	faults = append(faults, apivalidation.ValidateOwnerReferences(next.GetOwnerReferences(), at.Child("ownerReferences"))...)
	faults = append(faults, metav1validation.ValidateManagedFields(next.GetManagedFields(), at.Child("managedFields"))...)
	for _, l := range []struct{ label, why string }{
		{specs.LabelStack, "only the files of a Stack put an object into it; leave it out"},
		{specs.LabelSystem, "only the operator marks what is its own; leave it out"},
	} {
		was := ""
		if live != nil {
			was = live.GetLabels()[l.label]
		}
		if is := next.GetLabels()[l.label]; is != was {
			faults = append(faults, field.Forbidden(at.Child("labels").Key(l.label), l.why))
		}
	}
	return faults
}

// undeclared refuses a change of a field that a file declares.
func (s *Server) undeclared(r *request, live, next specs.Object) error {
	if s.o.Declared == nil {
		return nil
	}
	doc, _, suspended, ok := s.o.Declared.Declared(r.resource.kind.Kind, live.GetName())
	if !ok || suspended {
		return nil
	}
	paths := specs.DeclaredConflicts(doc.Declared(), live, next)
	if len(paths) == 0 {
		return nil
	}
	return s.refuseDeclared(r, live, paths)
}

// refuseDeclared says where an object is declared; paths are the fields that it is about. The code is that of a conflict, but not the
// reason: clients take that for a race, and kubectl scale would try for five minutes.
func (s *Server) refuseDeclared(r *request, live specs.Object, paths []string) error {
	text := s.o.Declared.Refusal(r.resource.kind.Kind, live.GetName())
	if len(paths) > 0 {
		text += ": " + strings.Join(paths, ", ")
	}
	e := statusError(http.StatusConflict, metav1.StatusReasonForbidden, text)
	e.ErrStatus.Details = &metav1.StatusDetails{Name: live.GetName(), Group: r.resource.group, Kind: r.resource.kind.Plural}
	for _, p := range paths {
		e.ErrStatus.Details.Causes = append(e.ErrStatus.Details.Causes,
			metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: p, Message: "declared in a file"})
	}
	return e
}
