package queue

// Priority orders ready keys: the higher one first, equal ones in the order they came.
type Priority int

// The priorities, lowest first: a crash restart never waits behind a resync.
const (
	Resync Priority = iota // the slow safety net, start-up
	Normal                 // something watched has changed
	Edit                   // the owner changed a spec
	Exit                   // a process ended
)
