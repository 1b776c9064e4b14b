//go:build !linux

package source

import "time"

// writers cannot be known without leases.
func writers(int) (busy, known bool) { return false, false }

func pause(d time.Duration) { time.Sleep(d) }
