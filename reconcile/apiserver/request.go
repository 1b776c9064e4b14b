package apiserver

import (
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// request is one request and what its path and query say.
type request struct {
	*http.Request
	caller     caller
	resource   *resource
	parameters map[string]string
	query      url.Values

	namespace, name string
	// dryRun: everything but the write.
	dryRun bool
	// manager of the fields that this request sets; force takes fields from other managers.
	manager string
	force   bool
	accept  form
}

// parse reads what is common to all requests.
func (r *request) parse(e endpoint, parameters map[string]string) (err error) {
	r.resource, r.parameters = e.resource, parameters
	r.namespace, r.name = parameters["namespace"], parameters["name"]
	if r.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return badRequest("cannot read the query: %v", err)
	}
	var faults field.ErrorList
	for _, v := range r.query["dryRun"] {
		if r.dryRun = v == metav1.DryRunAll; !r.dryRun {
			faults = append(faults, field.NotSupported(field.NewPath("dryRun"), v, []string{metav1.DryRunAll}))
		}
	}
	switch v := r.query.Get("fieldValidation"); v {
	case "", metav1.FieldValidationStrict, metav1.FieldValidationWarn, metav1.FieldValidationIgnore:
	default:
		faults = append(faults, field.NotSupported(field.NewPath("fieldValidation"), v,
			[]string{metav1.FieldValidationIgnore, metav1.FieldValidationStrict, metav1.FieldValidationWarn}))
	}
	r.force = r.query.Get("force") == "true" || r.query.Get("force") == "1"
	if r.manager = r.query.Get("fieldManager"); len(r.manager) > 128 {
		faults = append(faults, field.TooLong(field.NewPath("fieldManager"), "", 128))
	}
	if len(faults) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: r.Method + "Options"}, "", faults)
	}
	if e.resource != nil && e.flags&streams == 0 {
		r.accept, err = negotiate(r.Header.Values("Accept"))
	}
	return err
}

// managerOrAgent is the manager for writes that need not name one.
func (r *request) managerOrAgent() string {
	if r.manager != "" {
		return r.manager
	}
	if agent, _, _ := strings.Cut(r.UserAgent(), "/"); agent != "" {
		return agent[:min(len(agent), 128)]
	}
	return "unknown"
}

func (r *request) watch() bool {
	v := r.query.Get("watch")
	return r.Method == http.MethodGet && r.name == "" && (v == "true" || v == "1")
}

func (r *request) key() store.Key {
	return store.Key{Kind: r.resource.kind.Kind, Namespace: r.namespace, Name: r.name}
}

func (r *request) groupResource() schema.GroupResource {
	if r.resource == nil {
		return schema.GroupResource{}
	}
	return r.resource.groupResource()
}

// live is the object of the request's name.
func (s *Server) live(r *request) (specs.Object, error) {
	for _, o := range r.resource.static {
		if o.GetName() == r.name {
			return o, nil
		}
	}
	if o, ok := s.store().Get(r.key()); ok {
		return o, nil
	}
	return nil, apierrors.NewNotFound(r.groupResource(), r.name)
}
