package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/reconcile/store"
	"mirroros.dev/mirroros/specs"
)

// Lists in pieces. What is left of one that was cut at the limit is kept as it was, so that all pieces are of one revision. It is kept for a
// few minutes and for a few lists; after that the next piece is 410, with a token that goes on from the same place with what is there now.
const (
	pagesKept = 16
	pagesFor  = 5 * time.Minute
)

// pages keeps the lists that are read in pieces.
type pages struct {
	mu   sync.Mutex // guards list
	list []page     // the one that was asked for last at the end
}

// page is all objects of a kind as they were at one revision.
type page struct {
	kind    string
	rev     int64
	objects []store.Object
	asked   time.Time
}

func (p *pages) keep(one page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = slices.DeleteFunc(p.list, func(o page) bool { return o.kind == one.kind && o.rev == one.rev || one.asked.Sub(o.asked) > pagesFor })
	p.list = append(p.list, one)
	p.list = p.list[max(0, len(p.list)-pagesKept):]
}

func (p *pages) find(kind string, rev int64, now time.Time) (page, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.list {
		if o.kind == kind && o.rev == rev && now.Sub(o.asked) <= pagesFor {
			return o, true
		}
	}
	return page{}, false
}

// place is where a list goes on. Clients have it as an opaque token.
type place struct {
	// Rev is the list's revision; 0 goes on with what is there now.
	Rev int64 `json:"rev"`
	// After is the namespace and the name of the last object that was told.
	After [2]string `json:"after"`
}

func (p place) token() string {
	b, _ := json.Marshal(p) // numbers and strings
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePlace(token string) (p place, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Rev < 0 || p.After[1] == "" {
		return p, badRequest("the continue token is not one of this server's")
	}
	return p, nil
}

// piece is a part of a list: its objects, their revision, and where it goes on, if it does.
type piece struct {
	objects   []specs.Object
	rev       int64
	next      string
	remaining int64 // how many come; -1 when that is not counted
}

// piece picks what a list request asks for.
func (s *Server) piece(r *request, sel *selector) (piece, error) {
	limit, from := r.query.Get("limit"), r.query.Get("continue")
	n, err := strconv.ParseInt(limit, 10, 64)
	if limit != "" && (err != nil || n < 0) {
		return piece{}, badRequest("limit %q is not a whole number", limit)
	}
	all := page{kind: r.resource.kind.Kind, asked: s.o.Now()}
	all.objects, all.rev = s.store().List(all.kind)
	for _, o := range r.resource.static {
		all.objects = append(all.objects, o)
	}
	var after place
	if from != "" {
		if after, err = parsePlace(from); err != nil {
			return piece{}, err
		}
		if r.query.Get("resourceVersion") != "" {
			return piece{}, badRequest("resourceVersion is not given with continue")
		}
		if after.Rev > 0 && after.Rev != all.rev {
			kept, ok := s.pages.find(all.kind, after.Rev, all.asked)
			if !ok {
				return piece{}, expired(after)
			}
			all.objects, all.rev = kept.objects, kept.rev
		}
	}
	p := all.after(after, sel, int(n))
	if p.next != "" {
		s.pages.keep(all)
	}
	return p, nil
}

// after cuts a piece of at most limit objects, all when it is 0.
func (p *page) after(at place, sel *selector, limit int) piece {
	rest := p.objects
	if at.After[1] != "" {
		i, found := slices.BinarySearchFunc(rest, at.After, func(o store.Object, after [2]string) int {
			return cmpPlace(placeOf(o), after)
		})
		if found {
			i++
		}
		rest = rest[i:]
	}
	out := piece{objects: match(rest, sel), rev: p.rev, remaining: -1}
	if limit <= 0 || len(out.objects) <= limit {
		return out
	}
	if sel.everything() {
		out.remaining = int64(len(out.objects) - limit)
	}
	out.objects = out.objects[:limit]
	out.next = place{Rev: p.rev, After: placeOf(out.objects[limit-1])}.token()
	return out
}

func placeOf(o store.Object) [2]string { return [2]string{o.GetNamespace(), o.GetName()} }

// cmpPlace orders as the store lists.
func cmpPlace(a, b [2]string) int {
	if c := strings.Compare(a[0], b[0]); c != 0 {
		return c
	}
	return strings.Compare(a[1], b[1])
}

// expired tells that a list cannot go on as it was, and how it can.
func expired(at place) error {
	e := statusError(http.StatusGone, metav1.StatusReasonExpired, "the rest of this list is not kept any more: list again, or go on with the "+
		"continue token of this answer, which does not tell what changed in the part that was read already")
	at.Rev = 0
	e.ErrStatus.ListMeta.Continue = at.token()
	return e
}
