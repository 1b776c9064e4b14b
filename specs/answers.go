package specs

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of this file are no objects: they are what the operator is asked and answers about tokens and decisions.

// TokenRequest is what is asked for. TTL 0 is as long as the principal may have one; Scope names routes, none is all.
type TokenRequest struct {
	TTL    metav1.Duration `json:"ttl,omitzero"`
	Scope  []string        `json:"scope,omitempty"`
	Reason string          `json:"reason,omitempty"`
	// By is who asks; the server says.
	By string `json:"-"`
}

// Token is what anybody may know of a token.
type Token struct {
	ID        string    `json:"id"`
	Principal string    `json:"principal"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Scope     []string  `json:"scope,omitempty"`
	Reason    string    `json:"reason,omitempty"`
}

// IssuedToken is a token as it is made. Text is nowhere else.
type IssuedToken struct {
	Token
	Text string `json:"token"`
}

// Question is a request that nobody has made.
type Question struct {
	Principal string `json:"principal"`
	Route     string `json:"route"`
	// Target is a tool of an MCP server, or kind:name for resource and prompt.
	Target    string `json:"target,omitempty"`
	Model     string `json:"model,omitempty"`
	MaxTokens int64  `json:"maxTokens,omitempty"`
	Path      string `json:"path,omitempty"`
	Method    string `json:"method,omitempty"`
}

// Explanation is a decision with all that led to it.
type Explanation struct {
	Request   string    `json:"request,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	Principal string    `json:"principal"`
	Gate      string    `json:"gate,omitempty"`
	Route     string    `json:"route"`
	// Asked is what was asked for, in words.
	Asked string `json:"asked,omitempty"`
	// Decision is Allowed, Rewritten, Refused or Failed; Allowed tells whether rules allow it.
	Decision string `json:"decision"`
	Allowed  bool   `json:"allowed"`
	Stage    int    `json:"stage,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Snapshot int64  `json:"snapshot"`
	Revision string `json:"revision,omitempty"`
	// Status that the client got, and how long it took; 0 for what did not happen.
	Status       int   `json:"status,omitempty"`
	Milliseconds int64 `json:"ms,omitempty"`
	// RequestFilters are the rules whose filters did something about the request, AnswerFilters about its answer.
	RequestFilters []string `json:"requestFilters,omitempty"`
	AnswerFilters  []string `json:"answerFilters,omitempty"`
	// Tried rules in their order.
	Tried []TriedRule `json:"tried,omitempty"`
	// Note says what else there is to know, such as that rules have changed since.
	Note string `json:"note,omitempty"`
}

// TriedRule is one rule and what became of it.
type TriedRule struct {
	Priority int32  `json:"priority"`
	Rule     string `json:"rule"`
	Place    string `json:"place,omitempty"`
	Action   string `json:"action"`
	Shadow   bool   `json:"shadow,omitempty"`
	Matched  bool   `json:"matched"`
	// Why it did not match; Nearest is the one that came nearest.
	Why     string `json:"why,omitempty"`
	Nearest bool   `json:"nearest,omitempty"`
}

// Belongs says what a port or a process belongs to.
type Belongs struct {
	// Object as kind/name, or empty when it is nothing of the operator's.
	Object string `json:"object,omitempty"`
	// Place that declares it.
	Place string `json:"place,omitempty"`
	// Text in a sentence.
	Text string `json:"text"`
	Why  string `json:"why,omitempty"`
}
