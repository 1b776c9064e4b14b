package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// following is a list that is watched. It outlives the operator: when that is started again the watch goes on from the last resourceVersion,
// and where what came between is not known any more with another list.
type following struct {
	// path of the list, with its query; accept is how objects come, as JSON when empty.
	path, accept string
	// listed is called with the first list and with each that follows after a gap, event with each change between them.
	listed func(list json.RawMessage) (done bool, err error)
	event  func(watchEvent) (done bool, err error)
	// quiet: do not tell that the operator has gone.
	quiet bool
}

// errBroken: the operator went away in the middle.
var errBroken = errors.New("the operator has gone")

// returnPatience is how long an operator that went away is waited for, returnPause how long between two looks. The guardian starts one that
// keeps dying every 30 s at least.
const (
	returnPatience = time.Minute
	returnPause    = 100 * time.Millisecond
)

// follow calls f's functions until one of them is done, fails, or ctx ends. An operator that is not there at first is an error; one that goes
// away later is waited for, and standard error tells of it once.
func (c *command) follow(ctx context.Context, f following) error {
	revision, done, err := c.listOnce(ctx, f)
	if done || err != nil {
		return err
	}
	away := absence{c: c, quiet: f.quiet}
	for {
		if revision == "" {
			revision, done, err = c.listOnce(ctx, f)
		} else {
			done, err = c.watchFrom(ctx, f, &revision, away.over)
		}
		switch {
		case done:
			return nil
		case err == nil:
			away.over()
		case isReason(err, metav1.StatusReasonExpired) || isReason(err, metav1.StatusReasonGone):
			revision = ""
		default:
			if err := away.wait(ctx, err); err != nil {
				return err
			}
		}
	}
}

// absence waits for an operator that went away.
type absence struct {
	c     *command
	quiet bool
	since time.Time // zero while the operator answers
}

func (a *absence) over() { a.since = time.Time{} }

// wait pauses after err, when that is the operator's going away; else, and when it stays away for long, it answers what to end with.
func (a *absence) wait(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ended(ctx)
	case !errors.Is(err, errBroken) && !isNoOperator(err):
		return err
	case a.since.IsZero():
		a.since = time.Now()
		if !a.quiet {
			fmt.Fprintln(a.c.Err, paint(a.c.Err, dim, "the operator has gone; going on when it is back"))
		}
	case time.Since(a.since) > returnPatience:
		return &exitError{exitNoOperator, "the operator has gone, and did not come back"}
	}
	if !pause(ctx, returnPause) {
		return ended(ctx)
	}
	return nil
}

// listOnce lists, and answers the revision of the list.
func (c *command) listOnce(ctx context.Context, f following) (revision string, done bool, err error) {
	var list json.RawMessage
	if err := c.client().callJSON(ctx, request{method: http.MethodGet, path: f.path, accept: f.accept}, &list); err != nil {
		return "", false, err
	}
	if revision, err = revisionOf(list); err != nil {
		return "", false, err
	}
	done, err = f.listed(list)
	return revision, done, err
}

// watchFrom passes changes after a revision on, and moves it. It calls begun when the operator has answered.
func (c *command) watchFrom(ctx context.Context, f following, revision *string, begun func()) (done bool, err error) {
	sep := "?"
	if strings.Contains(f.path, "?") {
		sep = "&"
	}
	path := f.path + sep + "watch=true&resourceVersion=" + *revision
	res, err := c.client().do(ctx, request{method: http.MethodGet, path: path, accept: f.accept})
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	begun()
	for dec := json.NewDecoder(res.Body); ; {
		var e watchEvent
		if err := dec.Decode(&e); err != nil {
			return false, errBroken
		}
		switch e.Type {
		case "BOOKMARK":
			continue
		case "ERROR":
			refused := &apiError{}
			if err := json.Unmarshal(e.Object, &refused.Status); err != nil {
				return false, fmt.Errorf("cannot read a watch event: %v", err)
			}
			if refused.Details == nil {
				refused.Details = &metav1.StatusDetails{}
			}
			return false, refused
		}
		if *revision, err = revisionOf(e.Object); err != nil {
			return false, err
		}
		if done, err := f.event(e); done || err != nil {
			return done, err
		}
	}
}

// revisionOf reads the revision of an object, a list or a table.
func revisionOf(object json.RawMessage) (string, error) {
	var o struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return "", fmt.Errorf("cannot read a watch event: %v", err)
	}
	return o.Metadata.ResourceVersion, nil
}

func isNoOperator(err error) bool {
	var e *exitError
	return errors.As(err, &e) && e.code == exitNoOperator
}

// ended says why something that goes on and on has ended.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return timeoutError("timed out")
	}
	return &exitError{exitFalse, "interrupted"}
}

// pause waits, and tells whether ctx lives on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
