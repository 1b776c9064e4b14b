// Package attack tries, from within a sandbox, what the levels of package sandbox claim to block, and tells what was open. It is what
// `mirrorctl sandbox probe` runs on a host and what the tests run: one list of attempts, in [Attempts]. Everything that it attacks it
// makes itself: a directory, listening sockets on loopback, and a process. Linux only.
package attack

import "mirroros.dev/mirroros/controllers/process/sandbox"

// Never is behind the last level: what is blocked at none.
const Never = sandbox.Isolated + 1

// Attempt is one thing that a program may try.
type Attempt struct {
	// Name says what, in a few words.
	Name string
	// From is the level from which on it is blocked.
	From sandbox.Level
}

// Result is how one attempt went.
type Result struct {
	Attempt
	// Open: it succeeded. Why not, otherwise.
	Open bool
	Why  string
}

// Target is what there is to attack.
type Target struct {
	Dir                 string // has outside/, inside/ (to be written), readonly/, outside.sock, outside.dgram
	Victim              int    // a process outside
	Allowed, Other, UDP int    // ports
	Abstract            string // name of an abstract unix socket
	Shared              int    // number of a piece of System V shared memory
}
