//go:build !linux

package attack

// Attempts is empty on this system.
func Attempts() []Attempt { return nil }
