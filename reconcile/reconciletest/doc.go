// Package reconciletest helps the tests of controllers: a temporary store that proves at the end that the disk holds what the memory did,
// and matchers for conditions and for doing nothing.
package reconciletest
