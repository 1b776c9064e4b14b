package apiserver

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// log writes the lines of an instance, as they come when following.
func (s *Server) log(w http.ResponseWriter, r *request) error {
	if s.o.Logs == nil {
		return noEndpoint("logs")
	}
	o, err := r.logOptions(s.o.Now())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out := &logWriter{w: w, control: http.NewResponseController(w), limit: s.o.RequestTime}
	o.Begin = out.begin
	err = s.o.Logs.Read(r.Context(), r.name, o, out.line)
	left := r.Context().Err()
	begun := out.end(err == nil || left != nil)
	switch {
	case left != nil: // by the client, or the operator ends: then it must not look as if the log did
		return ended(left)
	case err == nil:
		return ended(out.err)
	case errors.Is(err, errEnded) || begun:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return apierrors.NewNotFound(r.groupResource(), r.name+"/log")
	case errors.Is(err, ErrNoPrevious):
		return statusError(http.StatusNotFound, metav1.StatusReasonNotFound, "there is no previous run of "+r.name)
	}
	return err
}

func (r *request) logOptions(now time.Time) (o LogOptions, err error) {
	o.Tail = -1
	for name, into := range map[string]*bool{"follow": &o.Follow, "previous": &o.Previous, "timestamps": &o.Timestamps} {
		if v := r.query.Get(name); v != "" {
			if *into, err = strconv.ParseBool(v); err != nil {
				return o, badRequest("%s %q is neither true nor false", name, v)
			}
		}
	}
	if v := r.query.Get("tailLines"); v != "" {
		if o.Tail, err = strconv.Atoi(v); err != nil || o.Tail < 0 {
			return o, badRequest("tailLines %q is not a whole number", v)
		}
	}
	if v := r.query.Get("sinceTime"); v != "" {
		if o.Since, err = time.Parse(time.RFC3339, v); err != nil {
			return o, badRequest("sinceTime %q is not a time such as 2026-11-23T14:00:00Z", v)
		}
	}
	if v := r.query.Get("sinceSeconds"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			return o, badRequest("sinceSeconds %q is not a whole number", v)
		}
		o.Since = now.Add(-time.Duration(n) * time.Second)
	}
	if v := r.query.Get("place"); v != "" {
		if o.From, err = strconv.ParseInt(v, 10, 64); err != nil || o.From < 0 {
			return o, badRequest("place %q is not a whole number", v)
		}
	}
	return o, nil
}

// LogPlace is the header that tells the place of the first byte in the log, for a client that reads on later with ?place=.
const LogPlace = "Mirroros-Log-Place"

const (
	// logDelay is how long a line may wait for others before it is written.
	logDelay = 5 * time.Millisecond
	// logBuffer is how much may wait.
	logBuffer = 64 << 10
)

// logWriter gathers lines, and writes them when they are many or the first has waited.
type logWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	limit   time.Duration // for one write

	mu      sync.Mutex // guards the fields below, and w
	pending bytes.Buffer
	timer   *time.Timer
	waiting bool // the timer runs
	begun   bool
	over    bool
	err     error
}

// begin sends the header, which is not to wait for the first line.
func (l *logWriter) begin(place int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w.Header().Set(LogPlace, strconv.FormatInt(place, 10))
	l.later()
}

func (l *logWriter) line(b []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return ended(l.err)
	}
	l.pending.Write(b)
	if l.pending.Len() >= logBuffer {
		l.flush()
		return ended(l.err)
	}
	l.later()
	return nil
}

// later flushes in a moment. mu is held.
func (l *logWriter) later() {
	if l.waiting {
		return
	}
	l.waiting = true
	if l.timer != nil {
		l.timer.Reset(logDelay)
		return
	}
	l.timer = time.AfterFunc(logDelay, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting = false
		if !l.over {
			l.flush()
		}
	})
}

// flush writes what waits. mu is held.
func (l *logWriter) flush() {
	defer within(l.control, l.limit)()
	if !l.begun {
		l.begun = true
		l.w.WriteHeader(http.StatusOK)
	}
	if l.err == nil {
		_, l.err = l.w.Write(l.pending.Bytes())
		l.pending.Reset()
	}
	if l.err == nil {
		l.err = l.control.Flush()
	}
}

// end writes what is left and lets nothing be written any more. It tells whether anything was.
func (l *logWriter) end(flush bool) (begun bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if flush {
		l.flush()
	}
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
	return l.begun
}
