//go:build !linux

package ledger

import "time"

// hostClock is the clock of the host. Without a name of the boot each process begins by the wall clock.
type hostClock struct{}

var begun = time.Now()

func (hostClock) Wall() time.Time     { return time.Now() }
func (hostClock) Boot() time.Duration { return time.Since(begun) }
func (hostClock) BootID() string      { return "" }
