//go:build !linux

package group

// Host gives nothing on this system.
type Host struct{}

// Means tells that nothing is limited here.
func (*Host) Means() map[string]string { return nil }
