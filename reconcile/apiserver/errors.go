package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
)

// statusError is an error as a client sees it.
func statusError(code int32, reason metav1.StatusReason, message string) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message}}
}

// badRequest is what the client can mend.
func badRequest(format string, args ...any) error {
	return apierrors.NewBadRequest(fmt.Sprintf(format, args...))
}

// forbidden is what this caller, or any, must not.
func forbidden(format string, args ...any) error {
	return statusError(http.StatusForbidden, metav1.StatusReasonForbidden, fmt.Sprintf(format, args...))
}

// noEndpoint is a route whose other side is not there.
func noEndpoint(what string) error {
	return statusError(http.StatusNotFound, metav1.StatusReasonNotFound, "this operator has no "+what)
}

// fail tells an error to the client, and what the client is not told to the log. An answer that has begun is cut.
func (s *Server) fail(w *answer, r *request, err error) {
	if errors.Is(err, errEnded) || r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler)
	}
	status := s.statusOf(r, err)
	if status.Code >= http.StatusInternalServerError {
		s.o.Log.Error(err, "cannot serve a request", "method", r.Method, "path", r.URL.Path, "caller", r.caller.name)
	} else {
		s.o.Log.V(1).Info("refused a request", "method", r.Method, "path", r.URL.Path, "caller", r.caller.name, "code", status.Code, "message", status.Message)
	}
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfterSeconds)))
	}
	_ = writeJSON(w, int(status.Code), status) // nobody is there to be told
}

// statusOf maps errors to what is told.
func (s *Server) statusOf(r *request, err error) *metav1.Status {
	told := knownStatus(r, err)
	if told == nil {
		told = apierrors.NewInternalError(errors.New("the operator's log has the details"))
	}
	status := told.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	if status.Code == 0 {
		status.Code = http.StatusInternalServerError
	}
	return &status
}

// knownStatus is what is told of errors that have a meaning to clients; nil for others.
func knownStatus(r *request, err error) apierrors.APIStatus {
	var told apierrors.APIStatus
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &tooLarge):
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit))
	case errors.Is(err, store.ErrNotFound):
		return apierrors.NewNotFound(r.groupResource(), r.name)
	case errors.Is(err, store.ErrExists):
		return apierrors.NewAlreadyExists(r.groupResource(), r.name)
	case errors.Is(err, store.ErrConflict):
		return apierrors.NewConflict(r.groupResource(), r.name, plain(err))
	case errors.Is(err, store.ErrGone):
		return apierrors.NewResourceExpired("too old resource version")
	case errors.Is(err, store.ErrClosed):
		return apierrors.NewServiceUnavailable("the operator is stopping")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return apierrors.NewTimeoutError("it took too long", 0)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return statusError(http.StatusInsufficientStorage, metav1.StatusReasonInternalError, "the state directory has no room; nothing was changed")
	}
	return nil
}

// worded tells the client what an error says, unless it has a meaning of its own.
func worded(err error, code int32, reason metav1.StatusReason) error {
	if knownStatus(&request{}, err) != nil {
		return err
	}
	return statusError(code, reason, err.Error())
}

// plain is a conflict in the words of clients.
func plain(err error) error {
	if strings.HasSuffix(err.Error(), store.ErrConflict.Error()) {
		return errors.New("the object has been modified; please apply your changes to the latest version and try again")
	}
	return err
}

func writeJSON(w http.ResponseWriter, code int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot write %T as JSON: %w", v, err)
	}
	return writeBytes(w, code, "application/json", b)
}

func writeBytes(w http.ResponseWriter, code int, contentType string, b []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	_, err := w.Write(b)
	return ended(err)
}
