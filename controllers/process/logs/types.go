package logs

import (
	"errors"
	"time"

	"github.com/go-logr/logr"
)

// Options of Open. The zero value is useful.
type Options struct {
	// Log takes what cannot be told in Health.
	Log logr.Logger
	// Interval is how often a log that moves is looked at. Default 20 ms.
	Interval time.Duration
	// Linger is how long a follower waits for the next run after one has ended. Default 10 s.
	Linger time.Duration
	// Changed is told, by Run, of a log whose Health is another than before. It must not block. Default: nobody is.
	Changed func(id string)
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// ReadOptions says which lines of a log to read. The zero value is all that is retained.
type ReadOptions struct {
	// Follow goes on with new lines until the context ends, or until the log is finished: its run has ended, nobody has it open
	// for writing, and no other run began within Linger. It goes on with the next run otherwise. It needs Run.
	Follow bool
	// Tail is how many last lines to begin with; zero and less is all.
	Tail int
	// New begins with what is written from now on, whatever Tail says (tail -n 0).
	New bool
	// Since passes over lines written before this time, as exactly as the time index is.
	Since time.Time
	// Previous reads the run before the current one instead; ErrNoPrevious when there was none. It does not follow.
	Previous bool
	// From begins at this place of the log instead, or at the line that is there: what Begin told, and the bytes passed on since. Where
	// the log has become shorter it begins with all that is there. Zero is not given.
	From int64
	// Begin is called with the place of the first byte, before any line.
	Begin func(place int64)
	// Timestamps puts the time of each line before it, RFC 3339 with nanoseconds, as exactly as the time index is.
	Timestamps bool
	// Linger overrides Options.Linger.
	Linger time.Duration
}

// Health is what is wrong with a log, told as it is now.
type Health struct {
	// Truncated: the workload made its log shorter. Deleted: it removed it; the lines are read through /proc while it lives.
	// Both are forgotten when the next run begins.
	Truncated, Deleted bool
	// Err is the last error of punching or indexing, such as a full disk. It goes when it works again.
	Err error
}

// ErrNoPrevious: the log has one run only.
var ErrNoPrevious = errors.New("no previous run")

const (
	defaultInterval = 20 * time.Millisecond
	defaultLinger   = 10 * time.Second
	// retryInterval is for what cannot be watched or indexed at the moment.
	retryInterval = time.Second
	// perLog stretches the interval when many logs move at once, so that looking never takes more than a small part of a core.
	perLog = 200 * time.Microsecond
	// minBytes is the smallest window.
	minBytes = 16 << 10
	// blockSize is what holes are aligned to; readSize what is read at once; pieceSize the longest line that is passed in one piece.
	blockSize = 4096
	readSize  = 64 << 10
	pieceSize = 1 << 20
	// punchStep is freed in one go, so that a writer never waits long.
	punchStep = 16 << 20
	// modifiedSlack is how much later than a file's modification time its last byte may have come.
	modifiedSlack = 10 * time.Millisecond
)

func (o Options) withDefaults() Options {
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	if o.Changed == nil {
		o.Changed = func(string) {}
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Linger <= 0 {
		o.Linger = defaultLinger
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
