package ledger

import "time"

// Clock tells the times that a ledger goes by.
type Clock interface {
	// Wall is the time of the calendar. It may jump.
	Wall() time.Time
	// Boot is the time since the boot that BootID names, with time asleep.
	Boot() time.Duration
	// BootID is the same as long as Boot goes on, for all processes that see the same one.
	BootID() string
}

// moment is when something happened, in nanoseconds of both clocks.
type moment struct {
	ledger int64 // the ledger's own clock: never backwards, and not the same twice
	wall   int64 // since 1970
}

// timepiece reads the ledger's clock. Offset is what is added to the time since boot.
type timepiece struct {
	Clock
	offset int64
}

// set starts the ledger's clock for a process: within a boot it goes on as it went for others, over a reboot by the wall clock, and where that
// went back it stands still instead. Fresh tells that the boot is new to the log.
func (t *timepiece) set(b *book) (fresh bool) {
	if id := t.BootID(); id == "" || id != b.boot {
		wall := t.Wall().UnixNano()
		at := wall
		if b.now.ledger != 0 {
			at = b.now.ledger + max(0, wall-b.now.wall)
		}
		t.offset = at - int64(t.Boot())
		return true
	}
	t.offset = b.bootOffset
	return false
}

// read is now, after all that the log knows.
func (t *timepiece) read(after moment) moment {
	return moment{ledger: max(after.ledger+1, t.offset+int64(t.Boot())), wall: t.Wall().UnixNano()}
}
