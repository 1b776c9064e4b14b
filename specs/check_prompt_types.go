package specs

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CheckPrompt asks a route of protocol OpenAI or Anthropic through its gate, as principal system/check.
type CheckPrompt struct {
	// Messages of the conversation, in their order; at most 32, of 64 KiB together.
	Messages []CheckMessage `json:"messages"`
	// Model as clients name it. Default: the first of the route.
	Model string `json:"model,omitempty"`
	// MaxTokens that the answer may have, from 1 to 4096. Default 64.
	MaxTokens *int32 `json:"maxTokens,omitempty"`
	// Expect says what the answer is to be. Without it any answer passes that is no refusal.
	Expect *CheckExpect `json:"expect,omitempty"`
}

// CheckMessage is one message.
type CheckMessage struct {
	// Role: system, user or assistant. The last message is of the user.
	Role CheckRole `json:"role"`
	// Content of the message.
	Content string `json:"content"`
}

// CheckRole is whose message it is.
type CheckRole string

// The roles.
const (
	RoleSystem    CheckRole = "system"
	RoleUser      CheckRole = "user"
	RoleAssistant CheckRole = "assistant"
)

// CheckExpect is what an answer is to be; each that is set must hold.
type CheckExpect struct {
	// Contains these words, as they are written.
	Contains []string `json:"contains,omitempty"`
	// Matches each of these regular expressions (RE2).
	Matches []string `json:"matches,omitempty"`
	// DoesNotMatch any of these regular expressions (RE2).
	DoesNotMatch []string `json:"doesNotMatch,omitempty"`
	// RefusalExpected: the model must decline, and say so as its protocol does, or a rule's filter must refuse. An apology in the text is no
	// refusal by itself: that is for matches. Default false: a refusal fails.
	RefusalExpected bool `json:"refusalExpected,omitempty"`
	// MaxLatency until the whole answer is there, at most timeout.
	MaxLatency *metav1.Duration `json:"maxLatency,omitempty"`
	// MaxTokens of the answer, as the backend counts them.
	MaxTokens *int32 `json:"maxTokens,omitempty"`
}
