// Package control is the line between the operator and its gates: a unix socket of packets, which bear listening sockets too.
//
// The operator serves the socket; a gate connects, and connects again when the operator comes back. The gate says hello with its
// generation and the sockets that it holds, so that an operator that lost them has them back. The operator passes a socket by name whenever
// it makes one, and says reload when it has replaced one of the files of package proxy; the gate answers what it runs now. While something
// changes the gate tells its counters, at most once a second; at rest the line is silent.
package control

import "time"

// Hello is a gate's first message. Sockets follow as descriptors of the same packet, in the order of Sockets.
type Hello struct {
	// Instance of the process mirrorgate, PID, and the time it began.
	Instance string    `json:"instance"`
	PID      int       `json:"pid"`
	Began    time.Time `json:"began"`
	Version  string    `json:"version"`
	Sockets  []string  `json:"sockets,omitempty"`
	Running  Running   `json:"running"`
}

// Running says which numbers of the files a gate runs, and why not a newer one.
type Running struct {
	Config     int64  `json:"config"`
	Endpoints  int64  `json:"endpoints"`
	Identities int64  `json:"identities"`
	Budgets    int64  `json:"budgets,omitempty"`
	Error      string `json:"error,omitempty"`
	// LedgerError is why the ledger of the budgets does not work; calls are refused meanwhile.
	LedgerError string `json:"ledgerError,omitempty"`
	// Stopped are routes that serve nothing any more, because a backend took more than it was told to.
	Stopped []Stopped `json:"stopped,omitempty"`
	// Missing sockets, by name, that the config needs and the gate does not have.
	Missing []string `json:"missing,omitempty"`
	// Leaving are addresses that serve no new requests any more and have not ended all that they began.
	Leaving []string `json:"leaving,omitempty"`
	// Draining: the gate takes no new connections and ends when the last request has.
	Draining bool `json:"draining,omitempty"`
}

// Stopped is a route that does not serve, and why.
type Stopped struct {
	Gate  string `json:"gate"`
	Route string `json:"route"`
	Why   string `json:"why"`
}

// Counts are counters since the gate began; only those that changed since the last message.
type Counts struct {
	Gates []GateCount `json:"gates,omitempty"`
	Rules []RuleCount `json:"rules,omitempty"`
	// Budgets that calls did not fit into.
	Budgets []BudgetCount `json:"budgets,omitempty"`
}

// GateCount of one gate.
type GateCount struct {
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Refused  int64  `json:"refused"`
	Streams  int64  `json:"streams"`
}

// BudgetCount of one account of a limit: how many calls did not fit into it, and when the last.
type BudgetCount struct {
	BudgetAccount
	Exceeded int64     `json:"exceeded"`
	Last     time.Time `json:"last"`
}

// BudgetAccount is an account of a limit; Principal is empty for a shared one.
type BudgetAccount struct {
	Budget    string `json:"budget"`
	Limit     string `json:"limit"`
	Principal string `json:"principal,omitempty"`
}

// RuleCount of one rule.
type RuleCount struct {
	Name   string    `json:"name"`
	Hits   int64     `json:"hits"`
	Shadow int64     `json:"shadow"`
	Last   time.Time `json:"last"`
}
