package stack

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"mirroros.dev/mirroros/specs"
)

// confirm is a change that is gone back from unless somebody says before a time that it is good. The time is of the wall clock: it passes
// while the operator is down, which goes back first thing when it starts.
type confirm struct {
	Until time.Time `json:"until"`
	// From is the number of the revision that is gone back to, and Disk what the files held.
	From int64  `json:"from"`
	Disk string `json:"disk"`
}

// arm notes that what is put in force must be confirmed within a time.
func (r *Reconciler) arm(s *state, within time.Duration) *confirm {
	c := &confirm{Until: r.o.Now().Round(0).Add(within), Disk: s.disk.Digest()}
	if old := s.rec.Confirm; old != nil {
		c.From = old.From
	} else if from := s.rec.whole(); from != nil {
		c.From = from.Number
	}
	return c
}

// Confirm says that a change is good.
func (r *Reconciler) Confirm(ctx context.Context, name, by string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	s, _, err := r.lookUp(name)
	if err != nil {
		return "", err
	}
	if s.rec.Confirm == nil {
		return "", &BlockedError{Message: fmt.Sprintf("nothing of stack/%s waits to be confirmed", name)}
	}
	if err := r.record(name, specs.ReasonApplied, by+" confirmed what is in force"); err != nil {
		return "", err
	}
	if err := r.keep(ctx, s, func(c *receipt) { c.Confirm = nil }, nil); err != nil {
		return "", err
	}
	_, err = r.report(ctx, s, nil)
	return "is confirmed", err
}

// expire goes back when nobody has confirmed in time, and says when to look again; 0 when nothing is to be confirmed.
func (r *Reconciler) expire(ctx context.Context, s *state, o *specs.Stack) (time.Duration, error) {
	c := s.rec.Confirm
	if c == nil {
		return 0, nil
	}
	if left := c.Until.Sub(r.o.Now().Round(0)); left > 0 {
		return min(left, calendarLook), nil
	}
	k, err := s.find(fmt.Sprint(c.From))
	if err != nil {
		return 0, fmt.Errorf("nobody confirmed the change, and it cannot be gone back from: %w", err)
	}
	to := r.revision(s.name, &k.Revision)
	if to == nil {
		return 0, fmt.Errorf("nobody confirmed the change, and revision %d cannot be read back", k.Number)
	}
	out := specs.Undone{From: *s.rec.newest(), To: k.Revision}
	err = r.undo(ctx, s, o, to, specs.UndoRequest{Prune: true, By: unconfirmed}, &out)
	if err != nil {
		return 0, fmt.Errorf("nobody confirmed the change, and it cannot be gone back from: %w", err)
	}
	return 0, nil
}

// unconfirmed is who goes back when nobody has confirmed.
const unconfirmed = "the operator, since nobody confirmed in time,"

// waitsForConfirm says until when a change must be confirmed.
func (s *state) waitsForConfirm() metav1.Condition {
	c := s.rec.Confirm
	if c == nil {
		return metav1.Condition{}
	}
	return condition(true, specs.ReasonWaitingForConfirm, fmt.Sprintf("goes back to revision %d at %s unless you say `mirrorctl confirm stack/%s`",
		c.From, c.Until.UTC().Format(time.RFC3339), s.name))
}
