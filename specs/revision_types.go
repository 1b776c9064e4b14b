package specs

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// What the operator and mirrorctl say to each other about the revisions of a Stack.

// Names of revisions, beside their numbers.
const (
	// RevisionLive is in force.
	RevisionLive = "live"
	// RevisionDisk is what the files hold.
	RevisionDisk = "disk"
	// RevisionLastGood is the one before the one in force that had all of its objects ready: where undo goes back to.
	RevisionLastGood = "last-good"
)

// KeptRevision is a revision that may be gone back to.
type KeptRevision struct {
	Revision `json:",inline"`
	// Good: all of its objects were ready at once while it was in force.
	Good bool `json:"good,omitempty"`
	// Live: it is in force. Outcome says what became of one that is not, and Until when.
	Live    bool        `json:"live,omitempty"`
	Outcome string      `json:"outcome,omitempty"`
	Until   metav1.Time `json:"until,omitzero"`
}

// RevisionList is what is kept of a Stack, the newest number last.
type RevisionList struct {
	// Stack they are of.
	Stack string `json:"stack"`
	// Items by number.
	Items []KeptRevision `json:"items"`
}

// RevisionManifests are the documents of a revision as its files have them.
type RevisionManifests struct {
	// Stack and Revision they are of.
	Stack    string   `json:"stack"`
	Revision Revision `json:"revision"`
	// Items by kind and name.
	Items []RevisionManifest `json:"items"`
}

// RevisionManifest is one document.
type RevisionManifest struct {
	// Kind and Name of its object.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Place is file:line.
	Place string `json:"place"`
	// Text of the document, with its comments.
	Text string `json:"text"`
	// Declared is what it says.
	Declared map[string]any `json:"declared,omitempty"`
}

// RevisionDiff is what two revisions have differently.
type RevisionDiff struct {
	// Stack they are of.
	Stack string   `json:"stack"`
	From  Revision `json:"from"`
	To    Revision `json:"to"`
	// Changes by kind and name.
	Changes []RevisionChange `json:"changes"`
}

// RevisionChange is an object that two revisions have differently.
type RevisionChange struct {
	// Kind and Name of the object.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// From and To are its documents; nil where there is none.
	From *RevisionManifest `json:"from,omitempty"`
	To   *RevisionManifest `json:"to,omitempty"`
}

// UndoRequest asks for an older revision.
type UndoRequest struct {
	// Revision by its name; empty is the last good one.
	Revision string `json:"revision,omitempty"`
	// Plan that is agreed to, by its digest, and Prune agrees to its removals too.
	Plan  string `json:"plan,omitempty"`
	Prune bool   `json:"prune,omitempty"`
	// DryRun says what would happen and does nothing.
	DryRun bool `json:"dryRun,omitempty"`
	// By is filled in by the API.
	By string `json:"-"`
}

// Undone is what came of an UndoRequest.
type Undone struct {
	// From and To are the revision that was in force and the one that is, or would be.
	From Revision `json:"from"`
	To   Revision `json:"to"`
	// Plan by its digest, and as text.
	Plan string `json:"plan"`
	Text string `json:"text,omitempty"`
	// Message says what was done; empty when nothing was.
	Message string `json:"message,omitempty"`
}

// RolloutAction is what somebody does with a rollout that is under way.
type RolloutAction string

// The actions on a rollout.
const (
	RolloutPause  RolloutAction = "pause"
	RolloutResume RolloutAction = "resume"
	RolloutAbort  RolloutAction = "abort"
	// RolloutRestart begins again from the first wave.
	RolloutRestart RolloutAction = "restart"
	// RolloutConfirm says that a change that waits for it is good.
	RolloutConfirm RolloutAction = "confirm"
)
