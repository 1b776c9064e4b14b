package audit

import "time"

// Kinds of records.
const (
	// KindDecision: a request was decided; written before it is forwarded.
	KindDecision = "decision"
	// KindOutcome: how a request ended.
	KindOutcome = "outcome"
	// KindChange: somebody changed what decides: a token was made or revoked, a rule allowed for a while, a budget reset.
	KindChange = "change"
)

// The outcomes of a request: exactly one each.
const (
	Allowed   = "Allowed"
	Rewritten = "Rewritten"
	Refused   = "Refused"
	Failed    = "Failed"
)

// Record is one line. Fields that do not apply are left out. It never holds a secret: tokens are named by their ids.
type Record struct {
	// Seq numbers the records of a chain from 1, Prev is the SHA-256 of the line before, in hex. The log sets both, and Time when it is zero.
	Seq  uint64    `json:"seq"`
	Prev string    `json:"prev"`
	Time time.Time `json:"time"`
	// Kind of the record.
	Kind string `json:"kind"`
	// Request by its id; decision and outcome of a request have the same.
	Request string `json:"request,omitempty"`

	// Who asked: the principal, the id of its token or the instance, and where the connection came from.
	Principal string `json:"principal,omitempty"`
	Token     string `json:"token,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Peer      string `json:"peer,omitempty"`

	// What was asked for.
	Gate   string `json:"gate,omitempty"`
	Route  string `json:"route,omitempty"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Model  string `json:"model,omitempty"`
	// MCP operation: tools/call and the tool's name, for instance.
	Operation string `json:"operation,omitempty"`
	Target    string `json:"target,omitempty"`
	MaxTokens int64  `json:"maxTokens,omitempty"`
	Stream    bool   `json:"stream,omitempty"`

	// How it was decided: the outcome, the stage (1 to 11) that decided, a reason code, the rule, those that would have in Shadow, the number
	// of the configuration, and the backend. Filters are the rules whose filters did something: of a decision about the request, of an outcome
	// about the answer.
	Decision string   `json:"decision,omitempty"`
	Stage    int      `json:"stage,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Rule     string   `json:"rule,omitempty"`
	Shadow   []string `json:"shadow,omitempty"`
	Filters  []string `json:"filters,omitempty"`
	Snapshot int64    `json:"snapshot,omitempty"`
	Backend  string   `json:"backend,omitempty"`
	Remote   bool     `json:"remote,omitempty"`
	// Budget that a request did not fit into, and the tokens that were Reserved for one that did.
	Budget   string `json:"budget,omitempty"`
	Reserved int64  `json:"reserved,omitempty"`

	// How it ended: the HTTP status, bytes and milliseconds, tokens as the backend told them.
	Status       int   `json:"status,omitempty"`
	RequestSize  int64 `json:"requestSize,omitempty"`
	ResponseSize int64 `json:"responseSize,omitempty"`
	Milliseconds int64 `json:"ms,omitempty"`
	InputTokens  int64 `json:"inputTokens,omitempty"`
	OutputTokens int64 `json:"outputTokens,omitempty"`

	// Bodies: digests as SHA-256 in hex, or the texts themselves where a gate asks for that.
	RequestDigest  string `json:"requestDigest,omitempty"`
	ResponseDigest string `json:"responseDigest,omitempty"`
	RequestBody    string `json:"requestBody,omitempty"`
	ResponseBody   string `json:"responseBody,omitempty"`

	// Text says more, for people.
	Text string `json:"text,omitempty"`
}

// Options of Open. Dir, Writer and KeyFile must be set.
type Options struct {
	// Dir holds all chains.
	Dir string
	// Writer names who writes, as operator or gate. A chain is named after it and the time it began.
	Writer string
	// KeyFile holds the Ed25519 private key. It is made, 0600, when there is none and no chain either, and its public key beside it as
	// <KeyFile>.pub. Without a key Open fails.
	KeyFile string
	// Retain and MaxBytes bound what is kept of the writer's chains: files whose last record is older go, and the oldest ones while all are
	// larger. What is being written never goes. Default 90 days and 2 GiB.
	Retain   time.Duration
	MaxBytes int64
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
}

// Writer is what a program that decides needs of a Log. *Log is one.
type Writer interface {
	// Write appends a record and returns when it is in the file, where it survives the end of the process; with durable when it is on the disk,
	// where it survives a power cut. It may be called by many at once and shares one write among them, and one wait for the disk when anyone of
	// them asks for that. An error means that it may not be there: refuse what depends on it. The record is not kept, and not changed.
	Write(r *Record, durable bool) error
	// Post appends a record without waiting for it. It may block while too much waits. What fails makes the next Write fail. The record is
	// not kept, and not changed.
	Post(r *Record)
}
