package ledger

import "time"

// Request is a call that wants to go on.
type Request struct {
	// ID of the request, for who reads the log.
	ID string
	// Who, through what, for which model as the client named it. At most 1 KiB each.
	Principal, Gate, Route, Model string
	// Input tokens that it has at most.
	Input int64
	// Output tokens that each choice wants at most, and the fewest that are of use (no more than Output counts).
	Output, MinOutput int64
	// Choices that it asks for; below 1 is 1.
	Choices int64
	// Prices of the backends that may be called; the dearest counts. None is free.
	Prices []Price
}

// Exceeded is why a call does not fit: of the limits that it does not fit into the one whose reset is farthest.
type Exceeded struct {
	Budget, Limit string
	// Principal whose account it is; empty for a shared one.
	Principal string
	Measure   Measure
	// Need of the call at least, Used (with what is reserved) and Amount of the limit, in its measure.
	Need, Used, Amount int64
	Currency           string
	// Reset is how long until the call would fit if nothing else came: zero when calls under way may end at any time, negative when never.
	Reset time.Duration
	// Downgrade names the route that the call may take instead: none of the limits that it does not fit into says Deny.
	Downgrade string
	// Waited tells that it waited as long as it may.
	Waited bool
}

// Left is what a limit has left.
type Left struct {
	// Known is false where there is no such limit.
	Known            bool
	Limit, Remaining int64
	// Reset is how long until it has all of it again, when nothing else comes; negative is never.
	Reset time.Duration
}
