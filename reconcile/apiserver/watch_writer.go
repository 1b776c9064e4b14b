package apiserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// watchWriter writes the events of one watch. They are gathered until flush.
type watchWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	enc     *encoder
	now     func() time.Time
	// limit of time for one write.
	limit time.Duration

	pending bytes.Buffer
	// begun: the header is out. headed: a table has had its columns.
	begun, headed bool
	// sent is the revision up to which the client knows everything.
	sent int64
}

// maxPending is how much is gathered before it is written.
const maxPending = 256 << 10

func (w *watchWriter) change(e store.Event, sel *selector) error {
	w.sent = max(w.sent, e.Rev)
	typ, o := seen(e, sel)
	if typ == "" {
		return nil
	}
	return w.event(typ, o)
}

// event gathers one object.
func (w *watchWriter) event(typ store.EventType, o specs.Object) error {
	b := newBuffer()
	var err error
	if w.enc.form == asTable {
		w.enc.now = w.now()
		err = w.enc.tableOf(b, o, !w.headed)
		w.headed = true
	} else {
		err = w.enc.object(b, o)
	}
	if err != nil {
		return err
	}
	if rev, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64); err == nil {
		w.sent = max(w.sent, rev)
	}
	return w.put(string(typ), b.Bytes())
}

func (w *watchWriter) bookmark(rev int64, initialEnd bool) error {
	w.sent = max(w.sent, rev)
	b, err := w.enc.bookmark(rev, initialEnd)
	if err != nil {
		return err
	}
	return w.put("BOOKMARK", b)
}

// gone ends the watch of a client that must list again.
func (w *watchWriter) gone() error {
	status := apierrors.NewResourceExpired("the watch fell behind, or its resource version is too old: list again").Status()
	status.Kind, status.APIVersion = "Status", "v1"
	b, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if err := w.put("ERROR", b); err != nil {
		return err
	}
	return w.flush()
}

func (w *watchWriter) put(typ string, object []byte) error {
	w.pending.WriteString(`{"type":"` + typ + `","object":`)
	w.pending.Write(object)
	w.pending.WriteString("}\n")
	if w.pending.Len() > maxPending {
		return w.flush()
	}
	return nil
}

// flush writes what was gathered, and the header at least. A client that does not take it in time is cut off.
func (w *watchWriter) flush() error {
	if w.begun && w.pending.Len() == 0 {
		return nil
	}
	defer within(w.control, w.limit)()
	if !w.begun {
		w.begun = true
		w.w.WriteHeader(http.StatusOK)
	}
	if _, err := w.w.Write(w.pending.Bytes()); err != nil {
		return ended(err)
	}
	w.pending.Reset()
	if w.pending.Cap() > 2*maxPending {
		w.pending = bytes.Buffer{}
	}
	return ended(w.control.Flush())
}

// within gives a writer a time to write in, until the function that it answers is called: HTTP/2 ends a stream whose time is over even
// when nothing is being written.
func within(c *http.ResponseController, limit time.Duration) func() {
	_ = c.SetWriteDeadline(time.Now().Add(limit)) // not every writer can
	return func() { _ = c.SetWriteDeadline(time.Time{}) }
}
