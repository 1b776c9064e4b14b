package apiserver

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// get answers one object.
func (s *Server) get(w http.ResponseWriter, r *request) error {
	o, err := s.live(r)
	if err != nil {
		return err
	}
	return s.answer(w, r, http.StatusOK, o)
}

// answer writes one object in the form asked for.
func (s *Server) answer(w http.ResponseWriter, r *request, code int, o specs.Object) error {
	enc := s.encoder(r)
	b, err := enc.one(o)
	if err != nil {
		return err
	}
	return writeBytes(w, code, "application/json", b)
}

// list answers the objects that the selectors pick, or watches them. A list is of one revision, also in pieces.
func (s *Server) list(w http.ResponseWriter, r *request) error {
	if r.watch() {
		return s.watch(w, r)
	}
	sel, err := r.selector()
	if err != nil {
		return err
	}
	if err := s.knownRevision(r.query.Get("resourceVersion")); err != nil {
		return err
	}
	p, err := s.piece(r, sel)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	bw := bufio.NewWriterSize(w, 64<<10)
	if err := s.encoder(r).list(bw, p); err != nil {
		return err
	}
	return ended(bw.Flush())
}

// knownRevision refuses a revision that this store has not reached: it is of another one, and the client must begin anew.
func (s *Server) knownRevision(rv string) error {
	if rv == "" {
		return nil
	}
	n, err := strconv.ParseInt(rv, 10, 64)
	if err != nil || n < 0 {
		return badRequest("resourceVersion %q is not a whole number", rv)
	}
	if n > s.store().Rev() {
		return tooNew(n)
	}
	return nil
}

func tooNew(rev int64) error {
	return statusError(http.StatusGone, metav1.StatusReasonExpired, fmt.Sprintf("resource version %d was never here: list again", rev))
}

func match[T specs.Object](list []T, sel *selector) []specs.Object {
	out := make([]specs.Object, 0, len(list))
	for _, o := range list {
		if sel.matches(o) {
			out = append(out, o)
		}
	}
	return out
}
