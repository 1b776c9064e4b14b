package check

import (
	"time"

	"mirroros.dev/mirroros/specs"
)

// observed is everything that decide may know of one check.
type observed struct {
	// Now has its monotonic reading.
	Now   time.Time
	Check *specs.Check
	// Absent is what the check looks at and is not there, as process/NAME; empty when it is.
	Absent string
	// Offset of the check's first run, from 0 to 1: its own.
	Offset float64
	// Running: a run is under way. Result is one that has ended and is not in the status yet.
	Running bool
	Result  *specs.CheckRun
	// Last is when the last run of this generation began, on the timer's line; zero when none has.
	Last time.Time
	// Due is when the next run is to begin, as it was decided; zero when it was not.
	Due time.Time
}
