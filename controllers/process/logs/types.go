package logs

import "time"

// ReadOptions says which lines of a log to read. The zero value is all that is retained.
type ReadOptions struct {
	// Follow goes on with new lines until the context ends.
	Follow bool
	// Tail is how many last lines to begin with; negative is all.
	Tail int
	// Since passes over lines written before this time, as exactly as the time index is.
	Since time.Time
	// Previous reads the run before the current one instead.
	Previous bool
	// Timestamps puts the time of each line before it, RFC 3339 with nanoseconds, as exactly as the time index is.
	Timestamps bool
}

// Health is what is wrong with a log, told as it is now.
type Health struct {
	// Truncated: the workload made its log shorter. Deleted: it removed it; the lines are read through /proc while it lives.
	Truncated, Deleted bool
	// Err is the last error of punching or indexing, such as a full disk.
	Err error
}
