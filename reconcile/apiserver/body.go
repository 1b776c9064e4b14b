package apiserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"
	k8syaml "sigs.k8s.io/yaml"

	"mirroros.dev/mirroros/specs"
)

// The media types of bodies.
const (
	typeJSON       = "application/json"
	typeYAML       = "application/yaml"
	typeProtobuf   = "application/vnd.kubernetes.protobuf"
	typeJSONPatch  = "application/json-patch+json"
	typeMergePatch = "application/merge-patch+json"
	typeApplyPatch = "application/apply-patch+yaml"
)

// mediaType of the body; JSON when there is none.
func (r *request) mediaType() string {
	h := r.Header.Get("Content-Type")
	if h == "" {
		return typeJSON
	}
	mt, _, err := mime.ParseMediaType(h)
	if err != nil {
		return h
	}
	return mt
}

// unsupported says which media types a body may have.
func (r *request) unsupported(accepted ...string) error {
	return apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, strings.ToLower(r.Method), r.groupResource(), r.name,
		"the body of the request was in an unknown format - accepted media types include: "+strings.Join(accepted, ", "), 0, true)
}

// body reads the body as JSON.
func (r *request) body() ([]byte, error) {
	mt := r.mediaType()
	if mt != typeJSON && mt != typeYAML {
		return nil, r.unsupported(typeJSON, typeYAML)
	}
	b, err := r.bytes()
	if err != nil || mt == typeJSON {
		return b, err
	}
	return toJSON(b)
}

func (r *request) bytes() ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, badRequest("cannot read the body: %v", err)
	}
	return b, err
}

// toJSON turns YAML into JSON. What looks like JSON is taken as it is.
func toJSON(b []byte) ([]byte, error) {
	if t := bytes.TrimSpace(b); len(t) > 0 && t[0] == '{' {
		return b, nil
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return nil, badRequest("cannot read the body: %v", err)
	}
	if hasAlias(&n) {
		return nil, badRequest("cannot read the body: it has a YAML alias; write out what it stands for")
	}
	out, err := k8syaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, badRequest("cannot read the body: %v", err)
	}
	return out, nil
}

func hasAlias(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		return true
	}
	for _, c := range n.Content {
		if hasAlias(c) {
			return true
		}
	}
	return false
}

// decode reads one object of the resource's kind, strictly.
func (r *resource) decode(b []byte) (specs.Object, error) {
	var head metav1.TypeMeta
	if err := kjson.Unmarshal(b, &head); err != nil {
		return nil, badRequest("cannot read the body: %v", err)
	}
	if want := r.gvk(); head.GroupVersionKind() != want {
		return nil, badRequest("the body has kind %q of %q, and this is the place of kind %q of %q", head.Kind, head.APIVersion, want.Kind, r.groupVersion())
	}
	o, err := specs.Decode(b)
	if err != nil {
		return nil, r.undecodable(b, err)
	}
	if !r.kind.Namespaced {
		o.SetNamespace("")
	}
	return o, nil
}

// decode reads one object for this request's place: of its kind, and in its namespace.
func (r *request) decode(b []byte) (specs.Object, error) {
	o, err := r.resource.decode(b)
	if err != nil || !r.resource.kind.Namespaced {
		return o, err
	}
	switch {
	case r.namespace != "default":
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, r.namespace)
	case o.GetNamespace() != "" && o.GetNamespace() != r.namespace:
		return nil, badRequest("the namespace in the object is %q, and that in the URL %q", o.GetNamespace(), r.namespace)
	}
	o.SetNamespace(r.namespace)
	return o, nil
}

// withoutOperators leaves out what the operator itself writes into labels and annotations: an object that was read and sent back has it, and
// text is no reason why a body cannot be decoded.
func withoutOperators(v any) {
	m, _ := v.(map[string]any)
	for k, value := range m {
		if _, text := value.(string); text && strings.HasPrefix(k, specs.GroupName+"/") {
			delete(m, k)
		}
	}
}

// maxCauses is how many faults are told of one body.
const maxCauses = 50

// undecodable says what is wrong in a body, in the words of the loader where it finds it too.
func (r *resource) undecodable(b []byte, cause error) error {
	var tree map[string]any
	if err := kjson.Unmarshal(b, &tree); err != nil {
		return badRequest("cannot read the body: %v", err)
	}
	delete(tree, "status")
	if m, ok := tree["metadata"].(map[string]any); ok {
		for k := range m {
			if k != "name" && k != "labels" && k != "annotations" {
				delete(m, k)
			}
		}
		withoutOperators(m["labels"])
		withoutOperators(m["annotations"])
	}
	clean, err := kjson.Marshal(tree)
	if err != nil {
		return badRequest("cannot read the body: %v", cause)
	}
	_, faults := specs.Load("body", clean)
	if len(faults) == 0 || r.kind.APIOnly {
		return apierrors.NewBadRequest(fmt.Sprintf("strict decoding error: %v", cause))
	}
	e := statusError(http.StatusBadRequest, metav1.StatusReasonBadRequest, "")
	e.ErrStatus.Details = &metav1.StatusDetails{Group: r.group, Kind: r.kind.Kind}
	var told []string
	for _, f := range faults[:min(len(faults), maxCauses)] {
		e.ErrStatus.Details.Causes = append(e.ErrStatus.Details.Causes,
			metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: f.Field, Message: f.Message})
		told = append(told, strings.TrimPrefix(f.Field+": "+f.Message, ": "))
	}
	e.ErrStatus.Message = "strict decoding error: " + strings.Join(told, "; ")
	return e
}
