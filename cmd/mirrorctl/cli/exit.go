package cli

import "fmt"

// The exit codes: one table for all verbs.
const (
	exitDone       = 0 // done, or the same
	exitFalse      = 1 // differs, refused, not ready, check false
	exitUsage      = 2 // the command line is wrong
	exitNoOperator = 3 // nobody answers on the socket
	exitTimeout    = 4 // timed out
)

// exitError ends a verb with a code. An empty message prints nothing: the answer is on standard output.
type exitError struct {
	code int
	msg  string
}

func (e *exitError) Error() string { return e.msg }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...)}
}

func timeoutError(format string, args ...any) error {
	return &exitError{exitTimeout, fmt.Sprintf(format, args...)}
}

// errFalse is an answer of no that has been printed already.
var errFalse = &exitError{code: exitFalse}
