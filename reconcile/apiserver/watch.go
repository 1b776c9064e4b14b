package apiserver

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// bookmarkEvery is how often a watch that asks for bookmarks gets one while other objects change.
const bookmarkEvery = time.Minute

// watchOptions are what a watch asks for.
type watchOptions struct {
	sel *selector
	// from is the revision after which it wants changes; 0 with initial.
	from int64
	// initial: the objects that there are come first, as ADDED.
	initial bool
	// marked: a bookmark says where the initial ones end.
	marked    bool
	bookmarks bool
	timeout   time.Duration
}

func (r *request) watchOptions() (o watchOptions, err error) {
	if o.sel, err = r.selector(); err != nil {
		return o, err
	}
	if rv := r.query.Get("resourceVersion"); rv != "" {
		if o.from, err = strconv.ParseInt(rv, 10, 64); err != nil || o.from < 0 {
			return o, badRequest("resourceVersion %q is not a whole number", rv)
		}
	}
	if t := r.query.Get("timeoutSeconds"); t != "" {
		n, err := strconv.ParseInt(t, 10, 32)
		if err != nil || n < 0 {
			return o, badRequest("timeoutSeconds %q is not a whole number", t)
		}
		o.timeout = time.Duration(n) * time.Second
	}
	o.bookmarks = r.query.Get("allowWatchBookmarks") == "true" || r.query.Get("allowWatchBookmarks") == "1"
	o.initial = o.from == 0
	match := r.query.Get("resourceVersionMatch")
	switch send := r.query.Get("sendInitialEvents"); {
	case send == "true" || send == "1":
		if match != string(metav1.ResourceVersionMatchNotOlderThan) {
			return o, invalidWatch("sendInitialEvents needs NotOlderThan")
		}
		o.initial, o.marked = true, o.bookmarks
	case send == "false" || send == "0":
		o.initial = false
	case match != "":
		return o, invalidWatch("a watch takes it with sendInitialEvents only")
	}
	return o, nil
}

func invalidWatch(message string) error {
	return apierrors.NewInvalid(schema.GroupKind{Group: "meta.k8s.io", Kind: "ListOptions"}, "",
		field.ErrorList{field.Forbidden(field.NewPath("resourceVersionMatch"), message)})
}

// watch tells changes until the client goes, the time is over, or it falls behind.
func (s *Server) watch(w http.ResponseWriter, r *request) error {
	o, err := r.watchOptions()
	if err != nil {
		return err
	}
	if o.initial && o.from > s.store().Rev() {
		return tooNew(o.from)
	}
	ctx := r.Context()
	if o.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.timeout)
		defer stop()
	}
	w.Header().Set("Content-Type", "application/json")
	out := &watchWriter{w: w, control: http.NewResponseController(w), enc: s.encoder(r), now: s.o.Now, limit: s.o.RequestTime}
	if err := s.follow(ctx, r, o, out); errors.Is(err, store.ErrGone) {
		return out.gone()
	} else if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
		return err
	}
	return out.flush()
}

// follow sends the initial objects and then changes. It returns when there can be no more.
func (s *Server) follow(ctx context.Context, r *request, o watchOptions, out *watchWriter) error {
	watch, err := s.begin(r, o, out)
	if err != nil {
		return err
	}
	defer watch.Close()
	if err := out.flush(); err != nil {
		return err
	}
	for {
		events, err := s.next(ctx, watch, o.bookmarks, out)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := out.change(e, o.sel); err != nil {
				return err
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
}

// begin opens the watch and sends what comes first.
func (s *Server) begin(r *request, o watchOptions, out *watchWriter) (*store.Watch, error) {
	kinds := []string{r.resource.kind.Kind}
	if !o.initial {
		from := o.from
		if from == 0 {
			from = s.store().Rev()
		}
		out.sent = from
		return s.store().Watch(kinds, from)
	}
	before := s.store().Rev()
	list, watch := s.store().ListWatch(kinds)
	objects := match(list, o.sel)
	if r.resource.static != nil {
		objects = match(r.resource.static, o.sel)
	}
	for _, one := range objects {
		if err := out.event(store.Added, one); err != nil {
			watch.Close()
			return nil, err
		}
	}
	// The list is of this revision or a later one, and what it has of later ones is not sent twice: a bookmark may be too old, never too new.
	out.sent = max(out.sent, before)
	if o.marked {
		return watch, out.bookmark(out.sent, true)
	}
	return watch, nil
}

// next waits for changes. While there are none for this watch but others happen, it sends a bookmark now and then to those that asked.
func (s *Server) next(ctx context.Context, watch *store.Watch, bookmarks bool, out *watchWriter) ([]store.Event, error) {
	if !bookmarks {
		return watch.Next(ctx)
	}
	for {
		wait, stop := context.WithTimeout(ctx, bookmarkEvery)
		events, err := watch.Next(wait)
		stop()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return events, err
		}
		rev := s.store().Rev()
		// wait is over, so Next does not wait any more: either there are changes, or none up to rev.
		if events, err = watch.Next(wait); err == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return events, err
		}
		if rev > out.sent {
			if err := out.bookmark(rev, false); err != nil {
				return nil, err
			}
			if err := out.flush(); err != nil {
				return nil, err
			}
		}
	}
}

// seen is what a change is for somebody who sees only what the selector picks; nothing when it is none.
func seen(e store.Event, sel *selector) (store.EventType, specs.Object) {
	was := e.Old != nil && sel.matches(e.Old)
	is := e.Type != store.Deleted && sel.matches(e.Object)
	switch {
	case is && was:
		return store.Modified, e.Object
	case is:
		return store.Added, e.Object
	case was:
		return store.Deleted, e.Object
	}
	return "", nil
}
