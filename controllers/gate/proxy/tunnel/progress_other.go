//go:build !linux

package tunnel

import (
	"errors"
	"syscall"
)

// kernelCounts: TCP connections need no counting of ours.
const kernelCounts = false

// progress gives a number that changes whenever a byte moves.
func (p *pair) progress() func() int64 {
	return func() int64 { return p.toA.Load() + p.toB.Load() }
}

// isGone: the other side ended the connection before we ended our half.
func isGone(err error) bool { return errors.Is(err, syscall.ENOTCONN) }
