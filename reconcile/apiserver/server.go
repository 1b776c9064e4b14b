package apiserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// maxBody bounds a body, maxFiles that of a plan.
const maxBody, maxFiles = 3 << 20, 64 << 20

// Server is the API. It is an http.Handler, and refuses what did not come through Serve.
type Server struct {
	o         Options
	resources []*resource
	router    *node
	documents documents
	pages     pages
	uid       int

	requests, streams chan struct{} // a place for each that is served
}

// New makes a server.
func New(o Options) *Server {
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 200
	}
	if o.MaxStreams == 0 {
		o.MaxStreams = 1000
	}
	if o.RequestTime == 0 {
		o.RequestTime = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, resources: newResources(), uid: os.Geteuid(),
		requests: make(chan struct{}, o.MaxRequests), streams: make(chan struct{}, o.MaxStreams)}
	s.router = newRouter(s.resources)
	limitPatches()
	return s
}

// ServeHTTP serves one request: it finds the route, asks who it is, and tells any error as a Status.
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	a := &answer{ResponseWriter: w}
	r := &request{Request: hr}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.o.Log.Error(fmt.Errorf("panic: %v", v), "a request failed in the operator's own code", "method", hr.Method, "path", hr.URL.Path, "stack", string(debug.Stack()))
			s.fail(a, r, apierrors.NewInternalError(errors.New("a fault of the operator's own; its log has the details")))
		}
	}()
	if err := s.route(a, r); err != nil {
		s.fail(a, r, err)
	}
}

func (s *Server) route(w *answer, r *request) error {
	e, parameters, allowed := s.router.find(r.Method, r.URL)
	if e.route == nil || e.access != anyone {
		var err error
		if r.caller, err = identify(r.Request); err != nil {
			return err
		}
	}
	switch {
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return statusError(http.StatusMethodNotAllowed, "MethodNotAllowed", fmt.Sprintf("%s is not possible here; %s is", r.Method, strings.Join(allowed, ", ")))
	case e.route == nil:
		return apierrors.NewGenericServerResponse(http.StatusNotFound, strings.ToLower(r.Method), schema.GroupResource{}, "", "", 0, true)
	}
	if err := r.parse(e, parameters); err != nil {
		return err
	}
	if e.flags&writes != 0 && !e.resource.writable {
		return refuseWrite(e.resource.kind)
	}
	leave, err := s.enter(r, e.flags)
	if err != nil {
		return err
	}
	defer leave()
	limit := int64(maxBody)
	if e.flags&large != 0 {
		limit = maxFiles
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if r.watch() || e.flags&streams != 0 {
		defer r.stream(w)()
	}
	return e.serve(s, w, r)
}

// refuseWrite says what to do instead of writing an object of the operator's.
func refuseWrite(k *specs.Kind) error {
	return statusError(http.StatusMethodNotAllowed, "MethodNotAllowed", fmt.Sprintf("%s cannot be written: %s", k.Plural, k.Instead))
}

// enter takes a place among the requests served at once.
func (s *Server) enter(r *request, flags flag) (leave func(), err error) {
	places := s.requests
	if r.watch() || flags&streams != 0 && r.query.Get("follow") == "true" {
		places = s.streams
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, apierrors.NewTooManyRequests("too many requests at once, try again", 1)
	}
}

// stream lifts the limits of time from a request, and ends it when the server stops.
func (r *request) stream(w http.ResponseWriter) (end func()) {
	c := http.NewResponseController(w) // not every writer has deadlines
	_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
	ctx, stop := context.WithCancel(r.Context())
	r.Request = r.WithContext(ctx)
	unhook := context.AfterFunc(stopping(ctx), stop)
	return func() {
		unhook()
		stop()
	}
}

func (s *Server) store() *store.Store { return s.o.Client.Store() }

// answer knows whether an answer has begun.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (a *answer) WriteHeader(code int) {
	a.begun = true
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// health answers as long as the server does.
func (s *Server) health(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := io.WriteString(w, "ok")
	return ended(err)
}

// ended marks an error of writing an answer: nobody is there to be told.
func ended(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errEnded, err)
}

var errEnded = errors.New("the client went away")
