package apiserver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
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
	b := newBuffer()
	if e.form == asTable {
		err := e.tableOf(b, o, true)
		return b.Bytes(), err
	}
	err := e.object(b, o)
	return b.Bytes(), err
}

// object writes one object, or a row of it, into a list.
func (e *encoder) object(b *jsonBuffer, o specs.Object) error {
	switch e.form {
	case asTable:
		return e.row(b, o)
	case asMetadata:
		return b.value(partial(o))
	}
	return e.resource.encode(b, o)
}

// list writes objects, the revision that they are of, and where the list goes on.
func (e *encoder) list(w *bufio.Writer, p piece) error {
	items, kind, version := `,"items":[`, e.resource.kind.Kind+"List", e.resource.groupVersion()
	switch e.form {
	case asTable:
		head, err := json.Marshal(e.resource.columns())
		if err != nil {
			return err
		}
		items, kind, version = `,"columnDefinitions":`+string(head)+`,"rows":[`, "Table", "meta.k8s.io/v1"
	case asMetadata:
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	more := ""
	if p.next != "" {
		more = fmt.Sprintf(`,"continue":%q`, p.next)
	}
	if p.remaining >= 0 {
		more += fmt.Sprintf(`,"remainingItemCount":%d`, p.remaining)
	}
	fmt.Fprintf(w, `{"kind":%q,"apiVersion":%q,"metadata":{"resourceVersion":"%d"%s}%s`, kind, version, p.rev, more, items)
	if err := e.objects(w, p.objects); err != nil {
		return err
	}
	_, err := w.WriteString("]}\n")
	return ended(err)
}

// batch is how many objects one goroutine encodes at a time: a millisecond or so.
const batch = 128

// objects writes objects with commas between, encoded on all processors when they are many.
func (e *encoder) objects(w *bufio.Writer, objects []specs.Object) error {
	workers := runtime.GOMAXPROCS(0)
	buffers, errs := make([]*jsonBuffer, workers), make([]error, workers)
	for i := range buffers {
		buffers[i] = newBuffer()
	}
	first := true
	for some := range slices.Chunk(objects, batch*workers) {
		n := 0
		var wg sync.WaitGroup
		for part := range slices.Chunk(some, batch) {
			b, err := buffers[n], &errs[n]
			n++
			if len(some) <= batch {
				*err = e.part(b, part)
				break
			}
			wg.Go(func() { *err = e.part(b, part) })
		}
		wg.Wait()
		for i := range n {
			if errs[i] != nil {
				return errs[i]
			}
			if !first {
				_ = w.WriteByte(',') // the error comes again with the next write
			}
			first = false
			if _, err := w.Write(buffers[i].Bytes()); err != nil {
				return ended(err)
			}
			buffers[i].Reset()
		}
	}
	return nil
}

// part encodes some objects. A panic is an error here: nobody would catch it.
func (e *encoder) part(b *jsonBuffer, objects []specs.Object) (err error) {
	o := objects[0]
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
		if err != nil {
			err = fmt.Errorf("cannot encode %s/%s: %w", e.resource.kind.Singular, o.GetName(), err)
		}
	}()
	for i := range objects {
		if i > 0 {
			b.WriteByte(',')
		}
		o = objects[i]
		if err := e.object(b, o); err != nil {
			return err
		}
	}
	return nil
}

// jsonBuffer takes JSON values one after the other.
type jsonBuffer struct {
	bytes.Buffer
	enc *json.Encoder
}

func newBuffer() *jsonBuffer {
	b := &jsonBuffer{}
	b.enc = json.NewEncoder(&b.Buffer)
	b.enc.SetEscapeHTML(false)
	return b
}

// value appends a value, without the newline that an Encoder ends it with.
func (b *jsonBuffer) value(v any) error {
	if err := b.enc.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
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
