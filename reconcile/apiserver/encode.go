package apiserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// encoder writes objects in the form that a request asked for.
type encoder struct {
	resource *resource
	form     form
	// include is what rows of a table have as object: Metadata, Object or None.
	include string
	now     time.Time
}

func (s *Server) encoder(r *request) *encoder {
	include := r.query.Get("includeObject")
	if include == "" {
		include = string(metav1.IncludeMetadata)
	}
	return &encoder{resource: r.resource, form: r.accept, include: include, now: s.o.Now()}
}

// one is a single object; as a table it has the columns.
func (e *encoder) one(o specs.Object) ([]byte, error) {
	switch e.form {
	case asTable:
		return e.tableOf(o, true)
	case asMetadata:
		return json.Marshal(partial(o))
	}
	return e.resource.encode(o)
}

// list writes objects and the revision that they are of.
func (e *encoder) list(w *bufio.Writer, objects []specs.Object, rev int64) error {
	items, kind, version := `,"items":[`, e.resource.kind.Kind+"List", e.resource.groupVersion()
	each := e.resource.encode
	switch e.form {
	case asTable:
		head, err := json.Marshal(e.resource.columns())
		if err != nil {
			return err
		}
		items, kind, version = `,"columnDefinitions":`+string(head)+`,"rows":[`, "Table", "meta.k8s.io/v1"
		each = e.row
	case asMetadata:
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
		each = func(o specs.Object) ([]byte, error) { return json.Marshal(partial(o)) }
	}
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"%d"}%s`, kind, version, rev, items)
	for i, o := range objects {
		b, err := each(o)
		if err != nil {
			return fmt.Errorf("cannot encode %s/%s: %w", e.resource.kind.Singular, o.GetName(), err)
		}
		if i > 0 {
			_ = w.WriteByte(',') // the error comes again with Flush
		}
		if _, err := w.Write(b); err != nil {
			return ended(err)
		}
	}
	_, err := w.WriteString("]}\n")
	return ended(err)
}

// partial is an object's metadata alone.
func partial(o specs.Object) *metav1.PartialObjectMetadata {
	p := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}}
	if a, ok := o.(metav1.ObjectMetaAccessor); ok {
		if m, ok := a.GetObjectMeta().(*metav1.ObjectMeta); ok {
			p.ObjectMeta = *m
		}
	}
	return p
}

// bookmark is an object of the form that says nothing but a revision.
func (e *encoder) bookmark(rev int64, initialEnd bool) ([]byte, error) {
	m := map[string]any{"resourceVersion": strconv.FormatInt(rev, 10)}
	if initialEnd {
		m["annotations"] = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	o := map[string]any{"kind": e.resource.kind.Kind, "apiVersion": e.resource.groupVersion(), "metadata": m}
	switch e.form {
	case asTable:
		o["kind"], o["apiVersion"], o["columnDefinitions"], o["rows"] = "Table", "meta.k8s.io/v1", []any{}, []any{}
	case asMetadata:
		o["kind"], o["apiVersion"] = "PartialObjectMetadata", "meta.k8s.io/v1"
	}
	return json.Marshal(o)
}
