package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GateRule is one rule of a gate: who may do what. It decides (action) or filters (filters), never both. Rules are tried from the lowest
// priority up, Deny before Allow at the same number; the first that matches decides, and none is a refusal.
type GateRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   GateRuleSpec   `json:"spec,omitempty"`
	Status GateRuleStatus `json:"status,omitzero"`
}

// GateRuleSpec is the desired state of a GateRule.
type GateRuleSpec struct {
	// Why this rule exists, in a sentence. Reason is what a refused client and the record are told.
	Why string `json:"why,omitempty"`
	// Gates that the rule belongs to. Default: all.
	Gates []string `json:"gates,omitempty"`
	// Routes that the rule is for. Default: all.
	Routes []string `json:"routes,omitempty"`
	// Principals that the rule is for. An Allow must name them; all: true is a name.
	Principals *PrincipalSelector `json:"principals,omitempty"`
	// Priority from 0 to 1000000; the lowest is tried first. Default 1000.
	Priority *int32 `json:"priority,omitempty"`
	// MCP narrows the rule to operations of MCP servers. Methods that list or describe are implied.
	MCP *MCPMatch `json:"mcp,omitempty"`
	// When is a condition in CEL over request, principal, route, llm, mcp and time. It must be true for the rule to match.
	When string `json:"when,omitempty"`
	// AllowRemote lets an Allow choose backends that are remote, in a Stack with locality LocalFirst.
	AllowRemote bool `json:"allowRemote,omitempty"`
	// Action: Allow or Deny.
	Action RuleAction `json:"action,omitempty"`
	// Filters look at what a request or an answer says, after the decision; every rule that matches filters.
	Filters []Filter `json:"filters,omitempty"`
	// Mode: Enforce (the default), or Shadow: the rule is counted and decides nothing.
	Mode RuleMode `json:"mode,omitempty"`
	// Reason is told to a client that is refused, and recorded.
	Reason string `json:"reason,omitempty"`
	// Expires ends the rule at this time, as if it were not there.
	Expires metav1.Time `json:"expires,omitzero"`
}

// PrincipalSelector names principals: those of the names, of the types and with the labels, or all.
type PrincipalSelector struct {
	// Names of principals; system/anonymous and process/NAME are some too.
	Names []string `json:"names,omitempty"`
	// Types of principals.
	Types []PrincipalType `json:"types,omitempty"`
	// MatchLabels that a principal must have, all of them.
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// All principals. Nothing else may be set with it.
	All bool `json:"all,omitempty"`
}

// MCPMatch narrows a rule to operations of MCP servers. A name may end in *.
type MCPMatch struct {
	// Tools that may be called.
	Tools []string `json:"tools,omitempty"`
	// Resources, by URI, that may be read or subscribed to.
	Resources []string `json:"resources,omitempty"`
	// Prompts that may be fetched.
	Prompts []string `json:"prompts,omitempty"`
}

// RuleAction is what a rule decides.
type RuleAction string

// The rule actions.
const (
	RuleAllow RuleAction = "Allow"
	RuleDeny  RuleAction = "Deny"
)

// RuleMode says whether a rule is in force or only counted.
type RuleMode string

// The rule modes.
const (
	RuleEnforce RuleMode = "Enforce"
	RuleShadow  RuleMode = "Shadow"
)

// Filter looks at what a request or an answer says. It rewrites or refuses, and never allows.
type Filter struct {
	// Type: RedactSecrets replaces what looks like a key or password; BlockInjection refuses known attempts to take an agent over;
	// RequirePattern refuses what matches none of patterns; ForbidPattern refuses what matches one; AnswerSchema refuses an answer that is no
	// JSON of schema.
	Type FilterType `json:"type"`
	// On: Request, Response or Both. Default Request; Response for AnswerSchema, which knows no other.
	//
	// A stream goes on while it is looked at: a text some words late (RedactSecrets: five), of which nothing is let go that is redacted or
	// refused. What a model thinks, says and tells a tool goes on when it changes to another of them; what it says after it changed back waits for
	// the next change. RequirePattern and AnswerSchema need the whole answer, and so do patterns whose match has no bound (as a.*b) or that ask
	// for the beginning or end of the text: then the stream is held until its end, and so is an answer that is no stream. Of what is held 8 MiB
	// are the most; a longer answer is refused.
	On FilterOn `json:"on,omitempty"`
	// Patterns are regular expressions (RE2) of RequirePattern and ForbidPattern, and further ones of RedactSecrets and BlockInjection.
	Patterns []string `json:"patterns,omitempty"`
	// Schema is a JSON schema, as text, of AnswerSchema.
	Schema string `json:"schema,omitempty"`
}

// FilterType is what a filter does.
type FilterType string

// The filter types.
const (
	FilterRedactSecrets  FilterType = "RedactSecrets"
	FilterBlockInjection FilterType = "BlockInjection"
	FilterRequirePattern FilterType = "RequirePattern"
	FilterForbidPattern  FilterType = "ForbidPattern"
	FilterAnswerSchema   FilterType = "AnswerSchema"
)

// FilterOn says what a filter looks at.
type FilterOn string

// What filters look at.
const (
	FilterRequest  FilterOn = "Request"
	FilterResponse FilterOn = "Response"
	FilterBoth     FilterOn = "Both"
)

// GateRuleStatus is what was observed of a GateRule.
type GateRuleStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Hits that the rule decided or filtered, and ShadowHits that it would have, since the gate's process began, as it last told.
	Hits       int64 `json:"hits"`
	ShadowHits int64 `json:"shadowHits"`
	// LastMatch is when it matched last.
	LastMatch metav1.Time `json:"lastMatch,omitzero"`
	// Conditions: Ready.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
