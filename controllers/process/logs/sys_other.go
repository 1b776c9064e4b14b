//go:build !linux

package logs

import (
	"errors"
	"fmt"
	"time"
)

// errNoPunch is told in Health: nothing is freed here.
var errNoPunch = fmt.Errorf("freeing the oldest lines needs linux: %w", errors.ErrUnsupported)

// watcher waits only: without inotify each log is looked at once a second.
type watcher struct{ kicks chan struct{} }

func newWatcher() (*watcher, error) { return &watcher{kicks: make(chan struct{}, 1)}, nil }

func (w *watcher) close() error           { return nil }
func (w *watcher) arm(int) (int32, error) { return -1, errors.ErrUnsupported }
func (w *watcher) disarm(int32)           {}
func punch(int, int64, int64) error       { return errNoPunch }
func nextData(_ int, pos, _ int64) int64  { return pos }
func nextHole(_ int, _, end int64) int64  { return end }
func hasWriter(int) bool                  { return false }
func openDeleted(int, string, bool) int   { return -1 }

func (w *watcher) kick() {
	select {
	case w.kicks <- struct{}{}:
	default:
	}
}

func (w *watcher) wait(deadline time.Time, _ func(int32, bool)) error {
	var due <-chan time.Time
	if !deadline.IsZero() {
		t := time.NewTimer(time.Until(deadline))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-w.kicks:
	case <-due:
	}
	return nil
}
