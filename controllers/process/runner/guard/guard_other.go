//go:build !linux

package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// ErrNotHere: there is no guardian on this system.
var ErrNotHere = fmt.Errorf("cannot guard the operator on %s: it needs Linux", runtime.GOOS)

// Guarded is false: there is no guardian on this system.
func Guarded() bool { return false }

// Exec returns ErrNotHere.
func Exec(o Options) error {
	_, _, err := o.command()
	return errors.Join(ErrNotHere, err)
}

// End does nothing.
func End() { _ = environ }

// Watch returns ErrNotHere.
func Watch(context.Context) error { return ErrNotHere }
