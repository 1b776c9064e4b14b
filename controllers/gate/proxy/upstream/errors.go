package upstream

import (
	"context"
	"errors"
	"net"
	"os"
)

// Phase tells how far a request came that failed: what was never sent may be sent elsewhere.
type Phase int

// The phases of a failure.
const (
	// Connecting: no byte was sent.
	Connecting Phase = iota
	// Sending: some of the request was sent, and nothing came back.
	Sending
	// Waiting: the request was sent, and no answer came in time or the connection ended.
	Waiting
	// Answering: the answer is no HTTP, or ended early.
	Answering
)

// Error is a failure of a backend.
type Error struct {
	Phase  Phase
	Target string
	// Timeout: it took too long.
	Timeout bool
	Err     error
}

func (e *Error) Error() string {
	what := map[Phase]string{
		Connecting: "cannot connect to backend ",
		Sending:    "cannot send to backend ",
		Waiting:    "no answer from backend ",
		Answering:  "cannot read the answer of backend ",
	}[e.Phase]
	return what + e.Target + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// What is wrong with an answer, or with what was to be sent.
var (
	errHeadTooLarge = errors.New("the head is larger than 64 KiB")
	errNoHTTP       = errors.New("it does not begin as HTTP/1.0 or HTTP/1.1 does")
	errEarlyEnd     = errors.New("the connection ended early")
	errIdle         = errors.New("nothing moved for as long as the idle timeout")
	errFirstByte    = errors.New("nothing came in time")
	errClosed       = errors.New("the client is closed")
)

// malformed is a fault of the answer's form.
type malformed string

func (m malformed) Error() string { return "malformed: " + string(m) }

func newError(p Phase, t Target, err error) *Error {
	var n net.Error
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errIdle) ||
		errors.Is(err, errFirstByte) || (errors.As(err, &n) && n.Timeout())
	return &Error{Phase: p, Target: t.Address, Timeout: timeout, Err: err}
}
