package ledger

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hostClock is the clock of the host.
type hostClock struct{}

func (hostClock) Wall() time.Time { return time.Now() }

func (hostClock) Boot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // since Linux 2.6.39
	return time.Duration(t.Nano())
}

func (hostClock) BootID() string { return bootID() }

var bootID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)) // without one, each process begins by the wall clock
})
