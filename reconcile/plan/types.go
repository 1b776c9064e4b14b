package plan

// Verb is what a step does to the host.
type Verb string

// The verbs of a step, in the order a summary counts them.
const (
	Start   Verb = "start"
	Replace Verb = "replace"
	Restart Verb = "restart"
	Reload  Verb = "reload"
	Limit   Verb = "limit" // other limits come in force in what runs
	Stop    Verb = "stop"
	Write   Verb = "write" // the object changes, nothing on the host does
	Keep    Verb = "keep"  // the document goes, the object stays; Reason says why
)

// Change is what happens to an object in the store.
type Change string

// The changes of an object.
const (
	Create Change = "+"
	Update Change = "~"
	Delete Change = "-"
	None   Change = "="
)

// Step is one action, in the order they happen.
type Step struct {
	// Wave from 0; steps of one wave may happen side by side.
	Wave int `json:"wave"`
	// Change of the object that this follows from; None for a repair.
	Change Change `json:"change"`
	// Kind and Name of the object, and the instance where it is about one.
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Instance string `json:"instance,omitempty"`
	Verb     Verb   `json:"verb"`
	// Reason names the fields that changed, or what is repaired.
	Reason string `json:"reason,omitempty"`
	// Repair: it would happen without the change too.
	Repair bool `json:"repair,omitempty"`
}

// Plan is what would happen, and what was read to say so.
type Plan struct {
	// Stack planned for; empty for objects made through the API.
	Stack string `json:"stack,omitempty"`
	// From and To are revision digests.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Digest binds the act to this plan: over From, To, Read and Steps.
	Digest string `json:"digest"`
	// Read names the version of every object that the plan depends on, by key. It changes with the object's spec, labels and annotations;
	// a status does not count.
	Read map[string]string `json:"read,omitempty"`
	// Blocked says why it does not happen by itself: Manual, PruneBlocked, or empty.
	Blocked string `json:"blocked,omitempty"`
	// Steps in order.
	Steps []Step `json:"steps"`
}

// Key of an object, as store.Key, in text.
