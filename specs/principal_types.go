package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Principal is an identity that tokens are issued to: an agent, a human or a process. Rules and budgets name principals, never the
// processes or tokens behind them.
type Principal struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PrincipalSpec   `json:"spec,omitempty"`
	Status PrincipalStatus `json:"status,omitzero"`
}

// PrincipalSpec is the desired state of a Principal.
type PrincipalSpec struct {
	// Why this identity exists, in a sentence.
	Why string `json:"why,omitempty"`
	// Type of the identity: Agent, Human or Process. Rules may name all of a type.
	Type PrincipalType `json:"type"`
	// Suspend refuses every token of the principal at once, and ends its open streams.
	Suspend bool `json:"suspend,omitempty"`
	// Tokens bounds the tokens that may be made for it.
	Tokens *PrincipalTokens `json:"tokens,omitempty"`
}

// PrincipalType is what an identity stands for.
type PrincipalType string

// The principal types.
const (
	PrincipalAgent   PrincipalType = "Agent"
	PrincipalHuman   PrincipalType = "Human"
	PrincipalProcess PrincipalType = "Process"
)

// PrincipalTokens bounds the tokens of a principal.
type PrincipalTokens struct {
	// MaxTTL is the longest time that a token may be valid for. Default 720h, at least 1m, at most 8760h.
	MaxTTL *metav1.Duration `json:"maxTTL,omitempty"`
}

// PrincipalStatus is what was observed of a Principal.
type PrincipalStatus struct {
	// ObservedGeneration is the generation that the status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Tokens that are valid now, those of instances apart.
	Tokens int32 `json:"tokens"`
	// NextExpiry is when the first of them ends.
	NextExpiry metav1.Time `json:"nextExpiry,omitzero"`
	// Instances that act as the principal now.
	Instances int32 `json:"instances"`
	// Conditions: Ready.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
